package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
)

// ranking is answering from a list.
type ranking struct {
	cli.Env
	model   *encoder.Model
	first   encoder.FirstToken
	asked   encoder.Asked
	keep    int
	several bool
}

func (r ranking) write(ctx context.Context, names []string, states []encoder.States) error {
	for i, s := range states {
		all, err := r.model.RankAnswersFirst(ctx, r.first, s, r.asked, r.keep)
		if err != nil {
			return err
		}
		line := written{Text: all[0].Text}
		if r.several {
			line.Image = names[i]
		}
		for _, a := range all {
			line.Ranked = append(line.Ranked, ranked{a.Text, a.Score})
		}
		if err := printLine(r.Env, line); err != nil {
			return err
		}
	}
	return nil
}

// maxAnswers is 30 times BLIP's list.
const maxAnswers = 100_000

func readAnswers(path string) (answers []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open answers: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			answers = append(answers, text)
		}
		if len(answers) > maxAnswers {
			return nil, fmt.Errorf("%s: more than %d answers: give a shorter list", path, maxAnswers)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read answers %s: %w", path, err)
	}
	if len(answers) == 0 {
		return nil, fmt.Errorf("%s: no answer in it: write one a line", path)
	}
	return answers, nil
}
