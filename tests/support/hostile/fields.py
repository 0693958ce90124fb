"""Every field of every route that takes a body: OpenAI's, the runtime's, and those that clients of other servers send.

A field the server does not know is as hostile as one that it does. `/openapi.json` lists a part of them; a test holds this table
against that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .target import Target
from .values import Value

CHAT, COMPLETIONS, RESPONSES, MESSAGES, EMBEDDINGS = (
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/embeddings",
)  # fmt: skip
GENERATING = (CHAT, COMPLETIONS, RESPONSES, MESSAGES)
OTHERS = (
    "/v1/rerank", "/v1/classify", "/v1/pooling", "/v1/images/generations", "/v1/videos", "/v1/audio/speech", "/v1/responses/input_tokens",
    "/inference/v1/generate", "/generate", "/busy_threshold", "/v1/messages/count_tokens",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """name: dotted where it lies inside another. legal: ordinary values and those at its limits. beyond: just past them."""

    name: str
    legal: tuple[Value, ...] = ()
    beyond: tuple[Value, ...] = ()


BOOLS = (True, False)


def _flags(names: str) -> tuple[Field, ...]:
    """Fields that are true or false."""
    return tuple(Field(name, BOOLS) for name in names.split())


def _free(names: str) -> tuple[Field, ...]:
    """Fields whose values are anybody's: objects, identifiers, what this server need not know."""
    return tuple(Field(name, ({}, [], "x", 1, None)) for name in names.split())


def _shared(t: Target) -> tuple[Field, ...]:
    """Fields of chats and completions."""
    last = t.vocabulary - 1
    return (
        Field("model", (t.model,), (t.model + "x", "../" + t.model, t.model.upper())),
        Field("max_tokens", (1, 2, 16, t.context_length - 1, t.context_length), (0, -1, t.context_length + 1)),
        Field("min_tokens", (0, 1, 8), (-1, t.context_length, t.context_length + 1)),
        Field("temperature", (0, 1e-6, 0.7, 1, 2), (-1e-6, 2.0001)),
        Field("top_p", (1e-6, 0.1, 1), (0, -0.1, 1.0001)),
        Field("top_k", (-1, 0, 1, 50, last, t.vocabulary), (-2, t.vocabulary + 1)),
        Field("min_p", (0, 0.1, 1), (-0.1, 1.0001)),
        Field("frequency_penalty", (-2, 0, 0.5, 2), (-2.01, 2.01)),
        Field("presence_penalty", (-2, 0, 0.5, 2), (-2.01, 2.01)),
        Field("repetition_penalty", (0.1, 1, 1.2, 2), (0, -1, 2.01, 1e-30)),
        Field("length_penalty", (1, 0.5)),
        Field("seed", (0, 1, 2**31 - 1, 2**63 - 1), (-1, -(2**63), 2**63)),
        Field("n", (1, 2, 8), (0, 129, 100_000)),
        Field("best_of", (1, 2, 20), (0, 21)),
        Field("stop", ("a", ["a", "b"], ["a"] * 4), (["a"] * 5, ["a"] * 33, [""], [])),
        Field("stop_token_ids", ([5], [0, last], list(range(t.vocabulary))), ([t.vocabulary], [-1], [999_999], [2**31], [2**63])),
        Field("logit_bias", ({"5": 1}, {"5": -100, "6": 100}), ({str(t.vocabulary): 1}, {"-1": 1}, {"5": 101}, {"a": 1}, {"999999": 5})),
        Field("prompt_logprobs", (0, 1, 20), (-1, 21, t.vocabulary + 1)),
        Field("truncate_prompt_tokens", (-1, 1, 10), (0, -2, t.context_length + 1)),
        Field("allowed_token_ids", ([5, 6], [0, last]), ([], [t.vocabulary], [-1])),
        Field("bad_words", (["a"], [""]), ([], ["x" * 5000])),
        Field("bad_words_token_ids", ([[5]], [[5, 6]]), ([[]], [[t.vocabulary]], [[-1]])),
        Field("logprob_token_ids", ([5],), ([t.vocabulary], [-1])),
        Field("priority", (-1, 0, 1, 100), (2**31 - 1, -(2**31), 2**31)),
        Field("guided_json", ({"type": "integer"}, '{"type":"boolean"}')),
        Field("guided_regex", ("[ab]+", "a|b"), ("",)),
        Field("guided_grammar", ('root ::= "a" | "b"',), ("",)),
        Field("guided_choice", (["a", "b"],), ([], [""])),
        Field("guided_decoding_backend", ("xgrammar", "outlines", "llguidance", "nonsense")),
        Field("guided_whitespace_pattern", ("[ ]?", "\\s*"), ("(",)),
        Field("structured_outputs", ({"regex": "[ab]"}, {"json": {}}, {"choice": ["a"]}), ({}, {"regex": "a", "choice": ["b"]})),
        Field(
            "stream_options", ({"include_usage": True}, {"continuous_usage_stats": True}, {}), ({"include_usage": 1}, {"nonsense": True})
        ),
        Field("service_tier", ("auto", "default", "flex", "priority"), ("nonsense",)),
        Field("metadata", ({}, {"a": "b"}), ({str(i): "x" for i in range(17)},)),
        Field("user", ("u", "x" * 64), ("x" * 65,)),
        Field("cache_salt", ("s", ""), ("x" * 5000,)),
        Field("request_id", ("r", ""), ("x" * 5000,)),
        Field("data_parallel_rank", tuple(range(t.ranks)), (t.ranks, -1, 2**31)),
        Field("dp_rank", tuple(range(t.ranks)), (t.ranks, -1, 2**31)),
        *_flags(
            "ignore_eos include_stop_str_in_output skip_special_tokens spaces_between_special_tokens detokenize "
            "use_beam_search stream return_tokens_as_token_ids return_token_ids add_special_tokens no_stop_trim "
            "return_hidden_states store"
        ),
        *_free(
            "nvext guided_decoding logits_processors kv_transfer_params vllm_xargs skip_reading_prefix_cache "
            "custom_logit_processor custom_params session_params lora_path rid regex ebnf json_schema structural_tag "
            "stop_regex bootstrap_host bootstrap_port bootstrap_room sampling_params input_ids input_embeds token_ids "
            "stop_conditions output_options extra_args images suffix prompt_embeds"
        ),
        *_nvext(t),
    )


def _nvext(t: Target) -> tuple[Field, ...]:
    return (
        Field(
            "nvext.annotations",
            ([], ["token_ids"], ["formatted_prompt", "token_ids", "llm_metrics"], ["query_instance_id"]),
            (["nonsense"] * 2000,),
        ),
        Field("nvext.extra_fields", (["completion_token_ids"], ["timing", "worker_id", "token_ids"]), (["nonsense"],)),
        Field("nvext.token_data", ([5, 6],), ([], [t.vocabulary], [999_999], [2**32 - 1], [2**32])),
        Field("nvext.dp_rank", tuple(range(t.ranks)), (t.ranks, 2**31, 2**32 - 1, -1)),
        Field("nvext.prefill_dp_rank", (0,), (1, 7, 2**32 - 1, -1)),
        *(
            Field(f"nvext.{name}", (), (0, 1, 2**63, 2**64 - 1))
            for name in ("backend_instance_id", "prefill_worker_id", "decode_worker_id", "worker_id")
        ),
        Field("nvext.max_thinking_tokens", (1, 100), (0, 2**32 - 1)),
        Field(
            "nvext.agent_hints",
            ({}, {"priority": 5, "osl": 10, "latency_sensitivity": 0.5, "speculative_prefill": True, "strict_priority": 1}),
            ({"priority": -(2**31), "osl": 2**32 - 1, "latency_sensitivity": -1}, {"priority": 2**31 - 1}),
        ),
        Field(
            "nvext.agent_context", ({"session_id": "s", "parent_session_id": "p", "session_final": True},), ({"session_id": "x" * 5000},)
        ),
        Field("nvext.routing_constraints", ({"required_taints": []}, {"required_taints": ["a"]})),
        Field("nvext.router", ({}, {"ttft_target": 1.0, "itl_target": 1.0}), ({"ttft_target": -1},)),
        Field("nvext.request_timestamp_ms", (1.0, 1_800_000_000_000.0), (-1, 1e300)),
        Field("nvext.metadata_upload", ({"url": "http://127.0.0.1:9/x"},), ({"url": ""}, {"url": "file:///etc/passwd"})),
        Field("nvext.cache_salt", ("s",), ("",)),
        Field("nvext.top_k", (-1, 5), (-2, t.vocabulary + 1)),
        Field("nvext.repetition_penalty", (1.2,), (0, -1)),
        *_flags("nvext.greed_sampling nvext.use_raw_prompt nvext.ignore_eos nvext.nonsense"),
    )


def _chat(t: Target) -> tuple[Field, ...]:
    effort = tuple({"effort": e} for e in ("low", "nonsense", None))
    return (
        Field("max_completion_tokens", (1, 16, t.context_length), (0, -1, t.context_length + 1)),
        Field("logprobs", BOOLS),
        Field("top_logprobs", (0, 1, 20), (-1, 21, 255, 256)),
        Field(
            "response_format",
            ({"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
            ({"type": "json_schema"}, {"type": "structural_tag"}, {"type": "nonsense"}, {}),
        ),
        Field("reasoning_effort", ("none", "minimal", "low", "medium", "high"), ("nonsense",)),
        Field("reasoning", effort),
        Field("verbosity", ("low", "high"), ("nonsense",)),
        Field("modalities", (["text"],), (["audio"], ["nonsense"], [])),
        Field("thinking", ({"type": "enabled"}, {"type": "disabled"}), ({"type": "nonsense"}, {"type": "enabled", "budget_tokens": -1})),
        Field("thinking_token_budget", (0, 1, 100), (-1, 2**31, 2**32)),
        Field("chat_template_kwargs", ({}, {"enable_thinking": False}), ({"messages": []}, {"add_generation_prompt": "x"})),
        Field("chat_template_args", ({}, {"enable_thinking": True}), ({"messages": None},)),
        Field("chat_template", ("{{ messages }}",), ("{% for i in range(999999999) %}x{% endfor %}", "{{", "{{ messages.__class__ }}")),
        *_flags("add_generation_prompt continue_final_message parallel_tool_calls separate_reasoning stream_reasoning"),
        *_free(
            "messages tools tool_choice functions function_call audio prediction web_search_options documents "
            "media_io_kwargs mm_processor_kwargs prompt_cache_key prompt_cache_retention safety_identifier moderation"
        ),
    )


def _completions(t: Target) -> tuple[Field, ...]:
    return (Field("prompt", ("hi", [5, 6])), Field("logprobs", (0, 1, 5, 20), (-1, 21, t.vocabulary + 1)), *_flags("echo"))


def _responses(t: Target) -> tuple[Field, ...]:
    return (
        Field("model", (t.model,), (t.model + "x", "")),
        Field(
            "input",
            (
                "hi",
                [{"role": "user", "content": "hi"}],
                [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            ),
            ("", [], [{"type": "nonsense"}], [{"type": "function_call_output", "call_id": "c", "output": ""}]),
        ),
        Field("max_output_tokens", (1, 16, t.context_length), (0, -1, t.context_length + 1)),
        Field("temperature", (0, 1, 2), (-0.1, 2.1)),
        Field("top_p", (0.1, 1), (0, 1.1)),
        Field("top_logprobs", (0, 20), (21, -1)),
        Field("truncation", ("auto", "disabled"), ("nonsense",)),
        Field(
            "text",
            ({"format": {"type": "text"}}, {"format": {"type": "json_schema", "name": "x", "schema": {"type": "integer"}}}),
            ({"format": {}},),
        ),
        Field("include", ([], ["message.output_text.logprobs"]), (["nonsense"],)),
        Field("thinking_token_budget", (0, 100), (-1, 2**32)),
        Field("chat_template_args", ({}, {"enable_thinking": True})),
        Field("max_tool_calls", (1,), (0, -1)),
        *_flags("stream store background parallel_tool_calls"),
        *_free(
            "instructions previous_response_id conversation reasoning tools tool_choice prompt prompt_cache_key "
            "metadata user prompt_cache_retention safety_identifier service_tier stream_options nvext "
            "context_management verbosity"
        ),
        *_nvext(t),
    )


def _messages(t: Target) -> tuple[Field, ...]:
    return (
        Field("model", (t.model,), (t.model + "x", "")),
        Field("max_tokens", (1, 16, t.context_length), (0, -1, t.context_length + 1)),
        Field("temperature", (0, 1), (-0.1, 1.1)),
        Field("top_p", (0.1, 1), (0, 1.1)),
        Field("top_k", (0, 5), (-1, t.vocabulary + 1)),
        Field("stop_sequences", ([], ["a"]), ([""], ["a"] * 5000)),
        Field("system", ("s", [{"type": "text", "text": "s"}]), ([{"type": "nonsense"}],)),
        Field("thinking", ({"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}), ({"type": "enabled", "budget_tokens": -1},)),
        *_flags("stream"),
        *_free("messages tools tool_choice metadata cache_control service_tier container output_config context_management mcp_servers"),
    )


def _embeddings(t: Target) -> tuple[Field, ...]:
    return (
        Field("model", (t.model,), ("",)),
        Field("input", ("hi", ["a", "b"], [5, 6], [[5], [6]]), ([], "", [[]], [t.vocabulary], [-1], ["a"] * 2049)),
        Field("dimensions", (1, 128), (0, -1, 2**32)),
        Field("encoding_format", ("float", "base64"), ("nonsense",)),
        Field("truncate_prompt_tokens", (-1, 1), (0, -2)),
        *_flags("add_special_tokens use_activation"),
        *_free("user nvext input_type truncate truncation_side embed_dtype endianness priority cache_salt"),
        *_nvext(t),
    )


@cache
def table(target: Target) -> Mapping[str, tuple[Field, ...]]:
    """The fields of each route."""
    shared = _shared(target)
    own = {CHAT: shared + _chat(target), COMPLETIONS: shared + _completions(target)}
    return own | {RESPONSES: _responses(target), MESSAGES: _messages(target), EMBEDDINGS: _embeddings(target)}


def missing(openapi: Mapping[str, Any], target: Target) -> dict[str, set[str]]:
    """Fields that an /openapi.json lists and the table lacks, by route; nothing when there are none."""
    found = {}
    for route, fields in table(target).items():
        operation = openapi["paths"].get(route, {}).get("post", {})
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        listed = _properties(content.get("schema", {}), openapi) | set(content.get("example", {}))
        if lacking := listed - {field.name for field in fields}:
            found[route] = lacking
    return found


def _properties(schema: Mapping[str, Any], openapi: Mapping[str, Any]) -> set[str]:
    """Names of the properties of an object, those of its parts and references too; `nvext.x` for those of the extension."""
    names = set(schema.get("properties", {}))
    if "nvext" in names:
        names |= {f"nvext.{name}" for name in openapi["components"]["schemas"].get("NvExt", {}).get("properties", {})}
    if reference := schema.get("$ref"):
        names |= _properties(openapi["components"]["schemas"][reference.rsplit("/", 1)[1]], openapi)
    for part in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(part, ()):
            names |= _properties(inner, openapi)
    return names
