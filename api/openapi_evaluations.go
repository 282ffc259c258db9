package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sightline/api/openapi"
)

const (
	evaluationsExample = `{"evaluations": [{"name": "20261126T210139.123Z", "time": "2026-11-26T21:01:39.123Z", "model": "f47ee008720dfdc223ea75c8b117432c", "items": 2000, "queries": 200, "file": "queries.jsonl"}]}`
	evaluationExample  = `{"time": "2026-11-26T21:01:39.123Z", "items": 2000, "file": "queries.jsonl", "queries": 200, "model": "f47ee008720dfdc223ea75c8b117432c",
 "rows": [{"depth": 0, "r1": 0.92, "r5": 0.97, "r10": 0.98, "mrr": 0.95, "ndcg10": 0.966, "map_100": 0.95, "p50_ms": 4.2, "p95_ms": 6, "cut": 0}]}`
)

// evaluationRoutes are those of kept reports.
func (b *book) evaluationRoutes() {
	add := func(at, id, summary, about string) *route {
		return b.add(at, id, "Evaluations", summary, about).guarded("admin").
			refuses(http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusGatewayTimeout)
	}
	add("GET /v1/evaluations", "listEvaluations", "List the kept reports of ranking quality", "The last 20 that searchd eval made over this data folder.").
		answers(http.StatusOK, "The newest first.", asJSONForm(b.made(evaluationList{}), evaluationsExample))
	one := add("GET /v1/evaluations/{name}", "getEvaluation", "A kept report", "What searchd eval --json prints, with time, items and file.").
		refuses(http.StatusNotFound)
	one.op.Parameters = []*huma.Param{{
		Name: "name", In: "path", Required: true, Description: "As the list has it.", Schema: openapi.Text("", 0), Example: "20261126T210139.123Z",
	}}
	one.answers(http.StatusOK, "The report.", asJSONForm(&huma.Schema{Type: huma.TypeObject}, evaluationExample))
}

func evaluationMemberDocs() map[string]string {
	return map[string]string{
		"Evaluation.name":         "What GET /v1/evaluations/{name} takes.",
		"Evaluation.time":         "When it ended.",
		"Evaluation.model":        "Fingerprint of the model it is of.",
		"Evaluation.items":        "Items in the catalogue at that time.",
		"Evaluation.queries":      "Queries that were asked.",
		"Evaluation.file":         "Name of the file of queries, without its folder.",
		"Evaluations.evaluations": "At most 20.",
	}
}
