package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Names returns the names of the inputs and outputs of the model in data, in
// the graph's order. ONNX Runtime's Go binding wants them before a session
// exists, and its own way to ask loads all weights a second time.
func Names(data []byte) (inputs, outputs []string, err error) {
	graph, err := only(data, 7)
	if err != nil {
		return nil, nil, fmt.Errorf("not an ONNX model: %w", err)
	}
	err = fields(graph, func(field protowire.Number, v []byte) error {
		if field != 11 && field != 12 {
			return nil
		}
		name, err := only(v, 1)
		if err != nil {
			return fmt.Errorf("input or output without a name: %w", err)
		}
		if field == 11 {
			inputs = append(inputs, string(name))
		} else {
			outputs = append(outputs, string(name))
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("not an ONNX model: %w", err)
	}
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, nil, errors.New("not an ONNX model: no inputs or no outputs")
	}
	return inputs, outputs, nil
}

// only returns the first length-delimited field of that number.
func only(data []byte, want protowire.Number) (value []byte, err error) {
	found := false
	err = fields(data, func(field protowire.Number, v []byte) error {
		if field == want && !found {
			value, found = v, true
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("field %d is missing", want)
	}
	return value, err
}

// fields calls visit for each length-delimited field and skips the others.
func fields(data []byte, visit func(protowire.Number, []byte) error) error {
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		data = data[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, data); n < 0 {
				return protowire.ParseError(n)
			}
			data = data[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := visit(field, v); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
