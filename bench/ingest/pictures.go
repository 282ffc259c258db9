package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// quality of the JPEG files, as shops save them.
const quality = 90

// draw fills a folder with n product pictures, every second one a JPEG, the
// others PNG, and returns their size.
func draw(ctx context.Context, render, dir string, n, side int) (bytes int64, err error) {
	made := filepath.Join(filepath.Dir(dir), "rendered")
	defer func() { err = errors.Join(err, os.RemoveAll(made)) }()
	cmd := exec.CommandContext(ctx, render, "--n", strconv.Itoa(n), "--size", strconv.Itoa(side), "--out", made) // #nosec G204 -- the user's own program
	if text, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("draw pictures: %w: %s", err, text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(made, "pictures", "*.png"))
	if err != nil {
		return 0, err
	}
	for i, path := range files {
		name := filepath.Join(dir, fmt.Sprintf("%05d", i))
		if i%2 == 0 {
			name += ".png"
			err = os.Rename(path, name)
		} else {
			name += ".jpg"
			err = toJPEG(path, name)
		}
		if err != nil {
			return 0, fmt.Errorf("draw pictures: %w", err)
		}
		info, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		bytes += info.Size()
	}
	return bytes, nil
}

func toJPEG(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	picture, err := png.Decode(bufio.NewReader(in))
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	err = jpeg.Encode(w, picture, &jpeg.Options{Quality: quality})
	return errors.Join(err, w.Flush(), out.Close())
}
