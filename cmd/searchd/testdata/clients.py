"""Calls a searchd with the clients of Cohere and OpenAI.

    clients.py URL KEY < question > answers

The question is JSON: query, documents (ids), picture (a data: URL), texts. The
answers are what the clients' own types hold.
"""

import json
import sys

import cohere
import openai

url, key = sys.argv[1:3]
ask = json.load(sys.stdin)
out = {"versions": {"cohere": cohere.__version__, "openai": openai.__version__}}


def results(response):
    return [{"index": r.index, "relevance_score": r.relevance_score} for r in response.results]


v2 = cohere.ClientV2(api_key=key, base_url=url)
answer = v2.rerank(model="sightline", query=ask["query"], documents=ask["documents"], top_n=5, max_tokens_per_doc=512)
out["cohere_v2"] = results(answer)
out["cohere_meta"] = [answer.id, answer.meta.api_version.version, answer.meta.tokens.input_tokens]
out["cohere_v2_picture"] = results(v2.rerank(model="sightline", query=ask["picture"], documents=ask["texts"]))

v1 = cohere.Client(api_key=key, base_url=url)
answer = v1.rerank(model="sightline", query=ask["query"], documents=ask["documents"], return_documents=True)
out["cohere_v1"] = results(answer)
out["cohere_v1_documents"] = [r.document.text for r in answer.results]

try:
    v2.rerank(model="sightline", query=ask["query"], documents=["no such item"])
except cohere.UnprocessableEntityError as e:
    out["cohere_refused"] = e.body["errors"][0]["field"]

client = openai.OpenAI(api_key=key, base_url=url + "/v1", max_retries=0)
default = client.embeddings.create(model="sightline", input=ask["texts"])  # the client asks for base64
out["openai"] = [d.embedding for d in default.data]
out["openai_tokens"] = default.usage.total_tokens
out["openai_float"] = client.embeddings.create(model="sightline", input=ask["texts"][0], encoding_format="float").data[0].embedding
pictures = [{"image": ask["picture"]}, {"id": ask["documents"][0]}]
out["openai_pictures"] = [d.embedding for d in client.embeddings.create(model="sightline", input=pictures).data]

try:
    client.embeddings.create(model="sightline", input=[[1, 2, 3]])
except openai.UnprocessableEntityError as e:
    out["openai_refused"] = e.body["errors"][0]["field"]
try:
    openai.OpenAI(api_key="sl_wrong", base_url=url + "/v1", max_retries=0).embeddings.create(model="sightline", input="red")
except openai.AuthenticationError as e:
    out["openai_key"] = e.body["code"]

json.dump(out, sys.stdout)
