"""OpenAI's own client against the real server: chat, responses, models, whole and in pieces; and what it refuses."""

import asyncio
import json
from typing import Literal

import openai
import pytest
import requests
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from tests.service.adapters.asking import (
    ADDRESSES,
    PICTURES,
    QUESTION,
    SMALL,
    TEXTS,
    asked,
    caption_of,
    image_url,
    predict,
)


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def caption(server):
    return caption_of(server)


def chat(client, *parts, **options):
    return client.chat.completions.create(**({"model": "gpt-4o-mini", "messages": asked(*parts)} | options))


def test_a_caption(client, caption):
    answer = chat(client, {"type": "text", "text": QUESTION}, image_url(detail="low"))
    [choice] = answer.choices
    assert (choice.index, choice.message.role, choice.message.content) == (0, "assistant", caption)
    assert choice.finish_reason == "stop" and answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert answer.model == "cnn-lstm"  # whatever was asked for
    usage = answer.usage
    assert usage.completion_tokens == len(caption.split()) and usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer._request_id and "warning" not in answer.model_dump()


@pytest.mark.parametrize("address", [ADDRESSES[0], {"url": ADDRESSES[0]}, {"url": TEXTS[0]}, TEXTS[0]])
def test_image_url_as_an_object_and_as_a_text(client, caption, address):
    assert chat(client, {"type": "image_url", "image_url": address}).choices[0].message.content == caption


def test_in_pieces(client, caption):
    options = {"stream": True, "stream_options": {"include_usage": True}, "n": 2}
    chunks = list(chat(client, image_url(), **options))
    texts, reasons = {0: "", 1: ""}, {}
    for chunk in chunks[:-1]:
        [choice] = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        reasons[choice.index] = choice.finish_reason
        assert chunk.usage is None and chunk.object == "chat.completion.chunk" and chunk.id == chunks[0].id
    assert texts[0] == caption and texts[1] not in ("", caption) and reasons == {0: "stop", 1: "stop"}
    assert chunks[0].choices[0].delta.role == "assistant" and len(chunks) > len(caption.split())
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0


def test_the_stream_as_it_is_on_the_wire(server, caption):
    body = {"messages": asked(image_url()), "stream": True}
    answer = requests.post(server.url + "/v1/chat/completions", json=body, timeout=120)
    assert answer.headers["Content-Type"].startswith("text/event-stream") and "Server-Timing" in answer.headers
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == caption
    assert all("usage" not in chunk for chunk in chunks)  # nobody asked


def test_many_at_once(server, caption):
    async def ask():
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="any", timeout=120) as client:
            return await asyncio.gather(*(chat(client, image_url(text)) for text in TEXTS * 2))

    texts = [answer.choices[0].message.content for answer in asyncio.run(ask())]
    assert texts == [caption_of(server, picture) for picture in PICTURES] * 2


def test_several_photographs_a_line_each(server, client):
    captions = [caption_of(server, picture) for picture in PICTURES]
    parts = [image_url(text) for text in TEXTS]
    assert chat(client, {"type": "text", "text": "Describe:"}, *parts).choices[0].message.content == "\n".join(captions)
    named = [part for n, one in enumerate(parts) for part in ({"type": "text", "text": f"Image {n + 1}:"}, one)]
    lines = chat(client, *named, {"type": "text", "text": QUESTION}).choices[0].message.content.splitlines()
    assert lines == [f"Image {n + 1}: {caption}" for n, caption in enumerate(captions)]


def test_a_lone_photograph_has_no_name(client, caption):
    assert chat(client, {"type": "text", "text": "Describe this:"}, image_url()).choices[0].message.content == caption


def test_the_last_of_the_users_messages_that_has_any(client, caption):
    messages = [
        {"role": "system", "content": "You describe pictures."},
        {"role": "user", "content": [image_url(TEXTS[1])]},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, image_url()]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "Are you sure?"},
    ]
    assert chat(client, messages=messages).choices[0].message.content == caption


def test_options(server, client, caption):
    ranked = [one["text"] for one in predict(server, num_captions="4")["captions"]]
    assert [choice.message.content for choice in chat(client, image_url(), n=4).choices] == ranked
    wide = chat(client, image_url(), extra_body={"beam_size": 4, "length_penalty": 0.2}).choices[0].message.content
    assert wide == caption_of(server, beam_size="4", length_penalty="0.2")
    for temperature in (0, 0.1, 1):  # what programs send unasked
        answer = chat(client, image_url(), temperature=temperature, top_p=0.9, seed=1)
        assert answer.choices[0].message.content == caption


def test_variety_is_sampled_and_repeats_with_a_seed(server, client):
    def sampled(seed):
        answer = chat(client, image_url(), temperature=1.5, seed=seed, n=3)
        return [choice.message.content for choice in answer.choices]

    assert sampled(5) == sampled(5) != sampled(6)
    options = {"method": "sample", "temperature": "1.5", "seed": "5", "num_captions": "3"}
    assert sampled(5) == [one["text"] for one in predict(server, **options)["captions"]]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_limits(client, caption, limit):
    short = chat(client, image_url(), **{limit: 3}).choices[0]
    assert len(short.message.content.split()) == 3 and short.finish_reason == "length"
    long = chat(client, image_url(), **{limit: 2000}).choices[0]
    assert (long.message.content, long.finish_reason) == (caption, "stop")
    words = caption.split()
    assert chat(client, image_url(), stop=[f" {words[3]} ", "nowhere"]).choices[0].message.content == " ".join(
        words[:3]
    )


def test_what_clients_always_send_is_accepted_and_what_cannot_be_done_is_said(client, caption):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    always = {"service_tier": "auto", "reasoning_effort": "low", "user": "me", "store": False, "metadata": {"a": "b"}}
    answer = chat(client, image_url(), tools=[tool], tool_choice="auto", parallel_tool_calls=True, **always)
    assert answer.choices[0].message.content == caption and not hasattr(answer, "warning")
    wished = chat(client, image_url(), tools=[tool], tool_choice="required", logprobs=True, presence_penalty=1)
    assert wished.choices[0].message.content == caption
    assert all(name in wished.warning for name in ("tool_choice", "logprobs", "presence_penalty"))
    heard = chat(client, image_url(), {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})
    assert heard.choices[0].message.content == caption and "input_audio" in heard.warning


class Label(BaseModel):
    name: str = Field(min_length=1)
    confidence: float = Field(ge=0, le=1)


class Described(BaseModel):
    caption: str
    alt_text: str = Field(max_length=12)
    labels: list[Label]
    confidence: float
    place: str | None
    kind: Literal["photograph"]
    nsfw: bool


def test_a_pydantic_class(client, caption):
    answer = client.chat.completions.parse(model="x", messages=asked(image_url()), response_format=Described)
    parsed = answer.choices[0].message.parsed
    assert parsed.caption == caption and caption.startswith(parsed.alt_text) and 0 < len(parsed.alt_text) <= 12
    assert parsed.labels and len({label.name for label in parsed.labels}) == len(parsed.labels)
    assert 0 < parsed.confidence < 1 and parsed.place is None and not parsed.nsfw


def test_an_object(client, caption):
    for wish in ({"response_format": {"type": "json_object"}}, {}):
        text = {"type": "text", "text": "Respond in JSON."} if not wish else {"type": "text", "text": QUESTION}
        found = json.loads(chat(client, text, image_url(), **wish).choices[0].message.content)
        assert list(found) == ["caption", "tags", "labels", "confidence", "language"]
        assert found["caption"] == caption and found["tags"] == [label["name"] for label in found["labels"]]
        assert found["language"] == "en" and all(0 <= label["topicality"] <= 1 for label in found["labels"])


def test_a_schema_that_cannot_be_filled(client):
    schema = {"type": "object", "properties": {"caption": {"type": "string"}, "artist": {"type": "string"}}}
    schema["required"] = ["caption", "artist"]
    wish = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        chat(client, image_url(), response_format=wish)
    assert "'artist'" in refused.value.message and refused.value.code == "schema_not_filled"
    assert refused.value.param == "response_format"


def test_responses(client, caption):
    parts = [{"type": "input_text", "text": QUESTION}, {"type": "input_image", "image_url": ADDRESSES[0]}]
    question = {"model": "gpt-5-mini", "input": [{"role": "user", "content": parts}]}
    answer = client.responses.create(**question, max_output_tokens=1024, store=False, instructions="Be brief.")
    assert answer.output_text == caption and answer.status == "completed" and answer.model == "cnn-lstm"
    assert answer.output[0].content[0].text == caption and answer.usage.total_tokens > 0 and answer.error is None
    cut = client.responses.create(**question, max_output_tokens=3)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"
    parsed = client.responses.parse(**question, text_format=Described).output_parsed
    assert parsed.caption == caption and parsed.labels
    with client.responses.stream(**question) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == caption and len(deltas) == len(caption.split())
    numbers = [event.sequence_number for event in client.responses.create(**question, stream=True)]
    assert numbers == list(range(len(numbers)))


def test_models(client):
    [model] = client.models.list().data
    assert (model.id, model.object) == ("cnn-lstm", "model") and model.created > 0
    assert client.models.retrieve("cnn-lstm") == model == client.models.retrieve("gpt-4o")  # an old name is kept


@pytest.mark.parametrize(
    ("address", "kind", "code"),
    [
        ("data:image/jpeg;base64,AA*A", openai.BadRequestError, "bad_base64"),
        ("https://example.org/a.jpg", openai.BadRequestError, "remote_image"),
        ("data:image/jpeg;base64,aGVsbG8=", openai.APIStatusError, "not_an_image"),
        ("data:image/jpeg;base64," + TEXTS[0][:4000], openai.UnprocessableEntityError, "damaged_image"),
        ("data:image/jpeg;base64," + "A" * 24_000_000, openai.APIStatusError, "too_large"),
    ],
)
def test_a_bad_photograph_is_named(client, address, kind, code):
    with pytest.raises(kind) as refused:
        chat(client, image_url(SMALL), {"type": "image_url", "image_url": {"url": address}})
    error = refused.value.body
    assert error["code"] == code and error["type"] == "invalid_request_error" and error["message"]
    assert error["param"] in ("messages[0].content[1].image_url.url", "messages[0].content[1].image_url")


def test_no_photograph_anywhere(client):
    with pytest.raises(openai.BadRequestError, match="only describes images"):
        chat(client, {"type": "text", "text": "Hi"})


def test_too_many(client):
    with pytest.raises(openai.BadRequestError, match="at most 32"):
        chat(client, *[image_url(SMALL)] * 33)


def test_the_error_is_openais(server):
    answer = requests.post(server.url + "/v1/chat/completions", json={"messages": []}, timeout=60)
    body = answer.json()
    assert answer.status_code == 400 and list(body["error"]) == ["message", "type", "param", "code"]
    Draft202012Validator({"required": ["error"], "additionalProperties": False, "properties": {"error": {}}}).validate(
        body
    )
    assert answer.headers["X-Request-ID"]
