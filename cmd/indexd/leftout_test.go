package main

import (
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer"
)

// Pictures that items go without are listed and counted; more than a summary
// lists are said to be more.
func TestLeftOutPicturesAreListed(t *testing.T) {
	var out clitest.Buffer
	sum := indexer.Summary{Seen: 3, Written: 3, LeftOut: 5, Incomplete: []indexer.Outcome{
		{Where: "line 2", ID: "MUG-1", State: indexer.Written, Warnings: []indexer.Warning{
			{Picture: 2, Stage: indexer.StageFetch, Reason: "answered 404"}, {Picture: 4, Stage: indexer.StageDecode, Reason: "is no picture"},
		}},
	}}
	if err := printSummary(cli.Env{Streams: cli.Streams{Out: &out}}, sum); err != nil {
		t.Fatal(err)
	}
	want := `left out  line 2 (MUG-1): picture 2: fetch: answered 404
left out  line 2 (MUG-1): picture 4: decode: is no picture
left out  … and 3 more
3 items in 0.0 s: 3 written, 0 unchanged, 0 failed, 5 further pictures left out
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if text := counts(indexer.Progress{Written: 3, LeftOut: 5, Rate: 2}); !strings.Contains(text, "3 written, 5 pictures left out") {
		t.Error(text)
	}
}
