package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

const (
	pictures   = 8
	pixelsFile = "pixels.f32"
)

// writeInputs makes what both sides read: pixels as the vision tower takes them,
// and as many JPEG files.
func writeInputs(dir string, side int) error {
	random := rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- the same each time
	var raw bytes.Buffer
	for range pictures * 3 * side * side {
		raw.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(random.NormFloat64()))))
	}
	if err := os.WriteFile(filepath.Join(dir, pixelsFile), raw.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write inputs: %w", err)
	}
	for i := range pictures {
		var file bytes.Buffer
		if err := jpeg.Encode(&file, drawing(i, random), &jpeg.Options{Quality: 90}); err != nil {
			return fmt.Errorf("draw picture: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), file.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write inputs: %w", err)
		}
	}
	return nil
}

// drawing is a shop's photograph as far as decoding goes: 800×600, smooth, with
// some grain.
func drawing(n int, random *rand.Rand) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for y := range 600 {
		for x := range 800 {
			grain := uint8(random.IntN(12))
			img.SetRGBA(x, y, color.RGBA{uint8(x/4) + grain, uint8(y/3) + grain, uint8(n*30) + grain, 255})
		}
	}
	return img
}

func readPixels(path string, side int) ([]encoder.Pixels, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	size := 3 * side * side
	all := make([]encoder.Pixels, len(raw)/4/size)
	for i := range all {
		all[i] = make(encoder.Pixels, size)
		if _, err := binary.Decode(raw[4*i*size:], binary.LittleEndian, all[i]); err != nil {
			return nil, fmt.Errorf("read inputs: %w", err)
		}
	}
	return all, nil
}

func readPictures(dir string, n int) (files [][]byte, err error) {
	for i := range min(n, pictures) {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)))
		if err != nil {
			return nil, fmt.Errorf("read inputs: %w", err)
		}
		files = append(files, data)
	}
	return files, nil
}

// texts are n texts of that many tokens: the first token, words, [SEP].
func texts(t bundle.Tokenizer, first int64, n, length int) [][]int64 {
	all := make([][]int64, n)
	for i := range all {
		all[i] = []int64{first}
		for j := range length - 2 {
			all[i] = append(all[i], int64(10+(7*j+13*i)%80))
		}
		all[i] = append(all[i], t.Sep)
	}
	return all
}
