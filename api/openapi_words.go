package api

import (
	"maps"

	"github.com/danielgtaylor/huma/v2"
)

// aliveAnswer, readyAnswer and retryAnswer are small answers.
type aliveAnswer struct {
	Status string `json:"status"`
}

type readyAnswer struct {
	Status     string `json:"status"`
	Items      int    `json:"items"`
	Model      string `json:"model"`
	Version    string `json:"version,omitempty"`
	Dimensions int    `json:"dimensions"` // of a vector
	Calibrated bool   `json:"calibrated"` // match probabilities
	SecondLook string `json:"second_look,omitempty"`
	Captioner  string `json:"captioner,omitempty"` // pages offer only what there is
	Answerer   string `json:"answerer,omitempty"`
}

type retryAnswer struct {
	Job     string `json:"job"`
	Retried int    `json:"retried"`
}

// Schema is that of the number that a time is written as.
func (milliseconds) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

// schemaDocs say what the types of answers are.
func schemaDocs() map[string]string {
	docs := map[string]string{
		"Problem":       "Every error answer: RFC 9457, with a code, the problems of single fields, and what there is to say of a write.",
		"SearchAnswer":  "The answer to a search.",
		"Explanation":   "The score of one pair by its parts, and the words' maps.",
		"ItemList":      "A page of items.",
		"JobList":       "A page of jobs.",
		"Job":           "How one request stands.",
		"Written":       "A change whose end is known.",
		"Queued":        "A change whose end is not known yet.",
		"Batch":         "What became of many changes.",
		"Rejected":      "A change that was not taken.",
		"Session":       "What is known of the caller.",
		"JobEvent":      "One change of one job's state: a line of GET /v1/events.",
		"Evaluation":    "A kept report of ranking quality.",
		"Evaluations":   "What searchd eval kept, the newest first.",
		"Ready":         "A service that is ready.",
		"Alive":         "A process that lives.",
		"Retried":       "How many jobs wait again.",
		"JobCounts":     "Numbers of jobs by state.",
		"ItemJob":       "The job of one item.",
		"Item":          "A product or picture. Its ETag is what If-Match of a write compares.",
		"Hit":           "One item of an answer.",
		"FieldProblem":  "One thing wrong with one field.",
		"SecondLook":    "How far the second look came.",
		"Reading":       "How many candidates one reading came to.",
		"Blend":         "An order that is more than BLIP's sum.",
		"Timings":       "Milliseconds of the stages.",
		"ExplainedWord": "One word's map.",
		"SearchedQuery": "What the model read.",
		"Reasons":       "How the score and the place of a hit came about.",
		"Term":          "A part of a score.",
	}
	maps.Copy(docs, pairSchemaDocs())
	maps.Copy(docs, authorSchemaDocs())
	return docs
}

// memberDocs say what the members of answers are. openapi_test.go wants one for
// each that is no object.
func memberDocs() map[string]string {
	docs := map[string]string{
		"Problem.type":       "Always about:blank: code says which problem it is.",
		"Problem.title":      "The status in words.",
		"Problem.status":     "The HTTP status.",
		"Problem.detail":     "What is wrong and what to do, for a person.",
		"Problem.code":       "Which problem it is, for a program.",
		"Problem.errors":     "What is wrong with single fields.",
		"Problem.request_id": "As in the log.",
		"Problem.job":        "What was queued all the same, or what failed.",
		"Problem.stage":      "Where a change failed.",
		"Problem.reason":     "Why it failed.",
		"Problem.matches":    "Items that a filter names.",
		"Problem.error":      "Everything once more as one text, for Weaviate.",

		"FieldProblem.field":  "The field, as the request names it.",
		"FieldProblem.detail": "Continues the field's name.",

		"Item.id":           "The shop's own, 1 to 128 bytes.",
		"Item.title":        "In a few words.",
		"Item.description":  "At length, up to 64 KiB.",
		"Item.url":          "Page of the product: http, https or a path.",
		"Item.image":        "Where the main picture came from.",
		"Item.images":       "Where further pictures came from.",
		"Item.price":        "0 or more, in currency.",
		"Item.currency":     "Three capital letters, such as EUR.",
		"Item.availability": "Such as in stock.",
		"Item.brand":        "Who makes it.",
		"Item.category":     "What it is.",
		"Item.color":        "Its colour.",
		"Item.group_id":     "Variants of one product share it.",
		"Item.attributes":   "All else: texts, numbers, true and false, lists of texts.",
		"Item.version":      "An older one never overwrites a newer one; 0 for none.",
		"Item.updated_at":   "When the shop changed it.",

		"Ready.status":      "ready.",
		"Ready.items":       "Items in the index.",
		"Ready.model":       "The model's fingerprint.",
		"Ready.dimensions":  "Numbers in a vector.",
		"Ready.version":     "Of the program: the commit's Git tag, or made of it.",
		"Ready.calibrated":  "Are match probabilities calibrated?",
		"Ready.second_look": "ok, or out of service: answers then have the order of the first look.",
		"Alive.status":      "alive.",

		"Session.keys_required": "Whether the server asks for keys.",
		"Session.key":           "The key's id, which is no secret.",
		"Session.name":          "Whose it is.",
		"Session.scopes":        "What it is for: search, write, admin.",
		"Session.expires_at":    "When it ends.",
	}
	for _, more := range []map[string]string{searchMemberDocs(), reasonMemberDocs(), evaluationMemberDocs(), jobMemberDocs(), pairMemberDocs(), authorMemberDocs(), facetMemberDocs()} {
		maps.Copy(docs, more)
	}
	return docs
}

func searchMemberDocs() map[string]string {
	return map[string]string{ //nolint:gosec // words about tokens of texts, not secrets
		"SearchAnswer.hits":          "Best first.",
		"SearchAnswer.no_good_match": "min_match left nothing; without it, on a calibrated model, that no candidate is likely to match.",
		"SearchAnswer.cached":        "The answer was worked out for an earlier request.",
		"SearchAnswer.model":         "The model's fingerprint.",
		"SearchAnswer.request_id":    "As in the log.",

		"SearchedQuery.text":   "The text of the request.",
		"SearchedQuery.tokens": "Pieces of it, with the special first and last.",
		"SearchedQuery.cut":    "Pieces at the end that were not read.",

		"SecondLook.scored":  "Candidates that were read.",
		"SecondLook.of":      "Candidates within the depth.",
		"SecondLook.stopped": "Why not all of them: deadline, busy, settled, failed, missing, disabled; empty where all were.",
		"SecondLook.read":    "What of them was read with the query.",
		"Reading.scored":     "Candidates that were read.",
		"Reading.of":         "Candidates within the depth.",
		"Reading.stopped":    "Why not all of them; empty where all were.",

		"Blend.items":  "Candidates that took part.",
		"Blend.groups": "Hits that are left of them with group_by.",
		"Blend.failed": "What could not be had: pins, diversity, or order for all.",

		"Timings.tokenize": "Cutting the text into pieces.",
		"Timings.encode":   "Text and picture to vectors.",
		"Timings.search":   "The first look.",
		"Timings.rerank":   "The second look.",
		"Timings.blend":    "Weights, rules, groups, diversity.",
		"Timings.total":    "All of it.",

		"Hit.id":                "The item's.",
		"Hit.score":             "itm_logit + itc, unless weights, boosts or a composed search make it otherwise.",
		"Hit.itc":               "Cosine of query and picture.",
		"Hit.itm_logit":         "Match logit of the second look; null where it did not reach.",
		"Hit.title_logit":       "Of picture and title, beside a text.",
		"Hit.negative_logit":    "Of the negative text.",
		"Hit.match_probability": "0 to 1, calibrated where the model is; null where the second look did not reach.",
		"Hit.rank":              "Place in the answer, from 1.",
		"Hit.itc_rank":          "Place before the second look, from 1.",
		"Hit.view":              "Which picture of the item was found: n the n-th further one.",
		"Hit.folded":            "Candidates of its group that are left out in its favour.",
		"Hit.moved":             "What acted on this very hit, besides the score.",
	}
}

// reasonMemberDocs are of what explains a score, and of heat maps.
func reasonMemberDocs() map[string]string {
	return map[string]string{
		"Reasons.terms":          "What the score is the sum of, up to rounding.",
		"Reasons.look_rank":      "Place after the second look, before weights, rules, groups and diversity, from 1.",
		"Reasons.margin":         "Match logit less the no-match logit; null where the second look did not reach.",
		"Reasons.calibrated":     "Whether match_probability is calibrated, on labelled pairs, or their softmax.",
		"Reasons.expected_logit": "What a hit that was not read was placed by among those that were; null for others.",
		"Term.kind":              "itc, itm_logit, title_logit, negative_logit, bias, feature, boost, or unread: what makes the score of a hit that was not read comparable.",
		"Term.name":              "Of a feature's field, or a boost.",
		"Term.value":             "What is weighed.",
		"Term.weight":            "What it counts.",
		"Term.adds":              "value × weight.",

		"Explanation.id":                "The item.",
		"Explanation.view":              "Which of its pictures.",
		"Explanation.itc":               "Cosine of query and this picture.",
		"Explanation.itm_logit":         "Match logit of the second look.",
		"Explanation.match_probability": "0 to 1.",
		"Explanation.score":             "itm_logit + itc.",
		"Explanation.words":             "The words that were asked for.",
		"Explanation.rows":              "Of each grid, from the top.",
		"Explanation.cols":              "Of each grid, from the left.",
		"Explanation.layers":            "Whose attention this is.",
		"Explanation.model":             "The model's fingerprint.",
		"Explanation.request_id":        "As in the log.",
		"ExplainedWord.word":            "As the model reads it.",
		"ExplainedWord.index":           "Place among the words, from 0.",
		"ExplainedWord.tokens":          "Its pieces.",
		"ExplainedWord.share":           "Of its attention that went to the grid; the rest went to the picture as a whole.",
		"ExplainedWord.grid":            "[rows][cols], summing to 1.",
	}
}

func jobMemberDocs() map[string]string {
	docs := map[string]string{
		"ItemList.items":    "In the order of ids.",
		"ItemList.next":     "For after; missing on the last page.",
		"JobList.items":     "In the order of their ages.",
		"JobList.next":      "For after; missing on the last page.",
		"Job.id":            "What was asked for.",
		"Job.state":         "Of all together; failed: all have ended, some are dead.",
		"Job.created_at":    "When the first was queued.",
		"Job.items":         "Those of its items.",
		"Job.next":          "For after; missing on the last page.",
		"Written.id":        "The item.",
		"Written.outcome":   "created, written, unchanged, deleted, missing or superseded.",
		"Written.reason":    "Why nothing was to be done.",
		"Written.job":       "What the request queued.",
		"Queued.id":         "The item.",
		"Queued.job":        "What the request queued.",
		"Queued.state":      "Of the job.",
		"Batch.id":          "Not used.",
		"Batch.job":         "What the request queued; empty where that is nothing.",
		"Batch.state":       "Of the job.",
		"Batch.accepted":    "Changes that were queued.",
		"Batch.rejected":    "Changes that were not.",
		"Batch.problems":    "What is wrong with those.",
		"Rejected.line":     "Line of NDJSON, from 1.",
		"Rejected.at":       "Place in the JSON, such as items[3].",
		"Rejected.id":       "The item.",
		"Rejected.errors":   "What is wrong.",
		"Retried.job":       "What was asked for.",
		"JobEvent.seq":      "Greater is later.",
		"JobEvent.time":     "When.",
		"JobEvent.item":     "The item.",
		"JobCounts.waiting": "To be done.", "JobCounts.leased": "Being done.", "JobCounts.done": "Done.",
		"JobCounts.superseded": "Overtaken by a later change.", "JobCounts.dead": "Failed for good.",

		"Batch.problems_left_out": "Rejected changes that problems does not list.",
		"Retried.retried":         "Jobs that wait again.",
		"ItemJob.id":              "The item.",
		"ItemJob.op":              "What is done to it.",
		"ItemJob.changed_at":      "When it came into its state.",
	}
	for _, of := range []string{"ItemJob.", "JobEvent."} {
		docs[of+"job"], docs[of+"group"] = "The job of this item.", "The job of the request."
		docs[of+"state"], docs[of+"outcome"] = "Where it is.", "What was done."
		docs[of+"stage"], docs[of+"reason"], docs[of+"attempt"] = "Where the last attempt failed.", "Why.", "From 1."
	}
	return docs
}
