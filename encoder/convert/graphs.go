package convert

import (
	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
)

// graphForm is one graph file: a graph, in its plain form or another.
type graphForm struct {
	name  bundle.Graph
	build func(graph.Shape, graph.Weights) ([]byte, error)
	// suffix is "" of the plain form, else bundle.CUDASuffix or KernelSuffix.
	suffix string
}

func (f graphForm) file() string {
	if f.suffix == "" {
		return f.name.File()
	}
	return string(f.name) + f.suffix
}

// writeGraphs builds every graph of the model, adds the files to m.Files and
// names the graphs.
func writeGraphs(dir string, m bundle.Manifest, w graph.Weights) ([]bundle.Graph, error) {
	shape := graph.Shape{Vision: m.Vision, Text: m.Text, Embedding: m.Embedding}
	if m.Decoder != nil {
		shape.Cross = m.Decoder.Width
	}
	var names []bundle.Graph
	for _, f := range append(taskGraphs(m.Task, w.Int8), otherForms(m.Task, w)...) {
		data, err := f.build(shape, w)
		if err != nil {
			return nil, err
		}
		if err := writeFile(dir, f.file(), data, m.Files); err != nil {
			return nil, err
		}
		if f.suffix == "" {
			names = append(names, f.name)
		}
	}
	return names, nil
}

// taskGraphs are the graphs of a task's bundles in their plain form.
func taskGraphs(task string, int8 bool) []graphForm {
	forms := []graphForm{{name: bundle.GraphVision, build: graph.Vision}}
	switch task {
	case bundle.Captioning:
		if int8 { // others read patch states, see graph.CaptionStep
			forms = append(forms, graphForm{name: bundle.GraphCaptionKV, build: graph.CaptionKV})
		}
		return append(forms, graphForm{name: bundle.GraphCaptionStep, build: graph.CaptionStep})
	case bundle.Answering:
		return append(forms,
			graphForm{name: bundle.GraphQuestion, build: graph.Question},
			graphForm{name: bundle.GraphAnswerKV, build: graph.AnswerKV},
			graphForm{name: bundle.GraphAnswerStep, build: graph.AnswerStep})
	}
	return append(forms,
		graphForm{name: bundle.GraphText, build: graph.Text},
		graphForm{name: bundle.GraphMatch, build: graph.Match},
		graphForm{name: bundle.GraphMatchInt8, build: graph.MatchInt8},
		graphForm{name: bundle.GraphMatchProjected, build: graph.MatchProjected},
		graphForm{name: bundle.GraphImageKV, build: graph.ImageKV},
		graphForm{name: bundle.GraphMatchTexts, build: graph.MatchTexts},
		graphForm{name: bundle.GraphMatchExplain, build: graph.Explain})
}

// otherForms are those for other devices or with own operators. The graphs of a
// float16 bundle are all for CUDA, those of int8 none.
func otherForms(task string, w graph.Weights) []graphForm {
	var forms []graphForm
	if w.Int8 {
		forms = append(forms, graphForm{bundle.GraphVision, graph.VisionKernel, bundle.KernelSuffix})
	}
	if task != bundle.Retrieval {
		return forms
	}
	if !w.Half {
		forms = append(forms, graphForm{bundle.GraphMatchInt8, graph.MatchInt8Kernel, bundle.KernelSuffix})
	}
	if w.Int8 {
		forms = append(forms, graphForm{bundle.GraphMatchTexts, graph.MatchTextsKernel, bundle.KernelSuffix})
	}
	if !w.Half && !w.Int8 {
		forms = append(forms, graphForm{bundle.GraphMatchInt8, graph.MatchInt8CUDA, bundle.CUDASuffix})
	}
	return forms
}
