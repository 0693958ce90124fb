"""What is served: a checkpoint, or a model that is built here from its dimensions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from armature.config.engine_section import EngineSection
from armature.config.router import RouterMode
from armature.config.section import Section


class Shape(Section):
    """The dimensions of a model that is built here instead of downloaded. Names are those of Hugging Face's config.json."""

    family: Literal["llama", "qwen3"] = Field(description="The architecture.")
    hidden_size: int = Field(gt=0)
    num_hidden_layers: int = Field(gt=0)
    num_attention_heads: int = Field(gt=0)
    num_key_value_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    vocab_size: int = Field(ge=512, description="At least 512: the byte-level tokenizer and its special tokens need that many.")
    max_position_embeddings: int = Field(gt=0)
    rope_theta: float = Field(default=10000.0, gt=0)
    tie_word_embeddings: bool = False
    seed: int = Field(default=0, ge=0, description="The seed of random weights.")

    @model_validator(mode="after")
    def _heads_divide(self) -> Shape:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of num_key_value_heads ({self.num_key_value_heads})"
            )
        return self


class ModelRouter(Section):
    """How requests for one model are spread, where that differs from what the topology says. null: as the topology says."""

    mode: RouterMode | None = None
    kv_events: bool | None = None
    overlap_weight: float | None = Field(default=None, ge=0)
    temperature: float | None = Field(default=None, ge=0)
    busy_blocks: float | None = Field(default=None, gt=0, le=1)
    busy_prefill_tokens: int | None = Field(default=None, gt=0)
    migration_limit: int | None = Field(default=None, ge=0)


class Model(Section):
    """What is served."""

    name: str | None = Field(default=None, description="The name that clients ask for; null: the last part of `path`.")
    path: str | None = Field(default=None, description="A local folder or a Hugging Face id; null for models that are built from `shape`.")
    revision: str | None = Field(default=None, description="Branch, tag or commit of a Hugging Face id.")
    weights: Literal["checkpoint", "seeded", "dummy", "external"] = Field(
        default="checkpoint",
        description="checkpoint: those of `path`; seeded: random, built once from `shape` and kept; "
        "dummy: random, made by the engine at start; external: the server of others has them (set by topology=external).",
    )
    shape: Shape | None = Field(default=None, description="Dimensions, for `weights: seeded` and `dummy`.")
    context_length: int | None = Field(default=None, gt=0, description="Tokens of prompt and output together; null: as the model says.")
    tool_call_parser: str | None = Field(default=None, description="The runtime's parser of tool calls.")
    reasoning_parser: str | None = Field(default=None, description="The runtime's parser of reasoning.")
    router: ModelRouter = ModelRouter()
    engine: EngineSection = EngineSection()

    @model_validator(mode="after")
    def _weights_have_a_source(self) -> Model:
        if self.weights == "external":
            return self
        if self.weights == "checkpoint" and not self.path:
            raise ValueError("no model is named: give model=NAME, or model.path= a local folder or a Hugging Face id")
        if self.weights != "checkpoint" and self.shape is None:
            raise ValueError(f"weights={self.weights} needs model.shape, which only the models under conf/model/ with a shape have")
        if self.weights == "seeded" and self.path:
            raise ValueError(f"path={self.path} and weights=seeded exclude each other: for your own files take model=custom")
        if not self.served_name:
            raise ValueError("the model has no name: set model.name=")
        return self

    @property
    def served_name(self) -> str:
        """The name that clients ask for."""
        return self.name or (self.path or "").rstrip("/").rsplit("/", 1)[-1]
