package encoder

import "sightline/encoder/picture"

// PixelsWithin is Pixels of the part of the upright picture that box names; the
// zero box stands for all of it.
func (m *Model) PixelsWithin(data []byte, box picture.Box) (Pixels, error) {
	img, err := picture.Decode(data, m.limits)
	if err != nil {
		return nil, err
	}
	small := picture.Resize(picture.Crop(img, box), m.manifest.Vision.Image)
	return picture.Normalize(small, m.manifest.Pixels.Mean, m.manifest.Pixels.Std), nil
}
