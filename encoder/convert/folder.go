package convert

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"sightline/encoder/bundle"
)

// weightsNames are the weights files that are read, best first: a safetensors
// file cannot hold code.
func weightsNames() []string { return []string{"model.safetensors", "pytorch_model.bin"} }

// vocabularyNames are the vocabularies that are read, best first.
func vocabularyNames() []string { return []string{"vocab.txt", "tokenizer.json"} }

// FolderFiles chooses from the names in a Hugging Face repository those that
// Convert reads: small is what describes the model, weights the one large file.
// The error says what is missing and what to do.
func FolderFiles(names []string, o Options) (small []string, weights string, err error) {
	first := func(wanted []string) string {
		for _, name := range wanted {
			if slices.Contains(names, name) {
				return name
			}
		}
		return ""
	}
	if !slices.Contains(names, "config.json") {
		return nil, "", errors.New("there is no config.json: an original .pth is converted with 'indexd model convert FILE.pth --config --vocab'")
	}
	if weights = first(weightsNames()); weights == "" {
		return nil, "", noWeights(names)
	}
	vocabulary := first(vocabularyNames())
	if vocabulary == "" && o.Vocabulary == "" {
		return nil, "", fmt.Errorf("there is no %s: give one with --vocab FILE", strings.Join(vocabularyNames(), " and no "))
	}
	for _, name := range []string{"config.json", vocabulary, "preprocessor_config.json", "tokenizer_config.json", "generation_config.json", bundle.CalibrationFile, "README.md"} {
		if slices.Contains(names, name) {
			small = append(small, name)
		}
	}
	return small, weights, nil
}

// noWeights tells weights in other forms from none.
func noWeights(names []string) error {
	sharded := func(name string) bool { return strings.HasSuffix(name, ".index.json") }
	others := func(name string) bool { return name == "tf_model.h5" || name == "flax_model.msgpack" }
	switch {
	case slices.ContainsFunc(names, sharded):
		return errors.New("its weights are split over several files, which is not read: write them as one with transformers' save_pretrained(DIR, max_shard_size=\"100GB\"), then use 'indexd model convert DIR'")
	case slices.ContainsFunc(names, others):
		return errors.New("its weights are there for TensorFlow or Flax only: convert them with transformers (from_pretrained(DIR, from_tf=True), save_pretrained), or choose a revision with model.safetensors or pytorch_model.bin, such as a refs/pr/N")
	}
	return fmt.Errorf("there is no %s", strings.Join(weightsNames(), " and no "))
}

// CheckFolder reads what describes the model in a Hugging Face folder whose
// weights need not be there yet: what Convert would refuse after a long download
// is refused before it.
func CheckFolder(dir string, o Options) error {
	log := slog.New(slog.DiscardHandler) // Convert says the same again
	cfg, err := readFolderSettings(dir, log)
	if err != nil {
		return err
	}
	if _, err := bundle.ReadCalibration(dir); err != nil {
		return err
	}
	if o.Vocabulary != "" {
		return nil
	}
	path, err := firstFile(dir, vocabularyNames()...)
	if err != nil {
		return err
	}
	if _, err := readVocabulary(path); err != nil {
		return err
	}
	return checkArchitecture(cfg.architectures)
}

// checkArchitecture refuses checkpoints that say themselves that they are for
// something that no task is.
func checkArchitecture(names []string) error {
	known := []string{"BlipForImageTextRetrieval", "BlipForConditionalGeneration", "BlipForQuestionAnswering"}
	if len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(known, name) }) {
		return nil
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "Blip") }) {
		return fmt.Errorf("config.json says %s: only %s can be converted", strings.Join(names, ", "), strings.Join(known, ", "))
	}
	return nil // a fork's own class; the weights will tell
}
