package checkpoint_test

import (
	"strings"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

// TestPickleRefuses runs whole files, so that the errors carry the file's name.
func TestPickleRefuses(t *testing.T) {
	cases := map[string]struct {
		pickle string
		words  []string
	}{
		"os.system":           {program(call("os", "system", str("rm -rf /"))), []string{`refuses "os.system"`, "nothing is executed"}},
		"os.system, STACK":    {program(str("os") + str("system") + "\x93" + tup(str("id")) + "R"), []string{`refuses "os.system"`}},
		"hidden beside":       {program(dictOf(str("w"), floats(1), str("x"), global("argparse", "Namespace"))), []string{`"argparse.Namespace"`}},
		"INST":                {program("(ios\nsystem\n"), []string{"opcode 0x69"}},
		"protocol 0":          {"(dp0\n.", []string{"pickle byte", "opcode 0x70"}},
		"protocol 6":          {"\x80\x06}.", []string{"protocol 6"}},
		"cut short":           {program(dictOf(str("w"), floats(1)))[:8], []string{"cut short"}},
		"no STOP":             {"\x80\x02}", []string{"cut short"}},
		"string cut short":    {"\x80\x02X\xff\x00\x00\x00abc", []string{"cut short"}},
		"huge string":         {"\x80\x02X\xff\xff\xff\xffabc", []string{"4294967295 bytes"}},
		"name without end":    {"\x80\x02ctorch", []string{"name without an end"}},
		"not UTF-8":           {program("U\x01\xff"), []string{"UTF-8"}},
		"empty stack":         {program("R"), []string{"empty stack"}},
		"value behind MARK":   {program("}("), []string{"stack"}},
		"takes behind MARK":   {program("}(a"), []string{"empty stack"}},
		"no MARK":             {program("}u"), []string{"MARK"}},
		"odd dict":            {program("}(" + str("a") + "u"), []string{"key without a value"}},
		"appends to a dict":   {program("}" + num(1) + "a"), []string{"a dict"}},
		"sets on a list":      {program("](" + str("a") + num(1) + "u"), []string{"a list"}},
		"adds to a number":    {program(num(1) + num(1) + "a"), []string{"an integer"}},
		"unknown memo":        {program("h\x07"), []string{"memo 7"}},
		"calls a string":      {program(str("f") + ")R"), []string{"calls a string"}},
		"calls a class":       {program(global("torch", "FloatStorage") + ")R"), []string{"torch.FloatStorage"}},
		"OrderedDict(list)":   {program(call("collections", "OrderedDict", "]")), []string{"OrderedDict"}},
		"state of a dict":     {program("}}b"), []string{"attributes of a dict"}},
		"state of a tensor":   {program(floats(1) + "}b"), []string{"attributes of a tensor"}},
		"Parameter of None":   {program(call("torch._utils", "_rebuild_parameter", "N")), []string{"unexpected arguments"}},
		"foreign persistence": {program(tup(str("module"), num(1)) + "Q"), []string{"storage"}},
		"storage of a dict":   {program(tup(str("storage"), "}", str("0"), str("cpu"), num(1)) + "Q"), []string{"storage"}},
		"negative storage":    {program(storageRef("FloatStorage", "0", -1)), []string{"-1 elements"}},
		"two values left":     {program(num(1) + num(2)), []string{"2 values"}},
		"a list":              {program("]"), []string{"a list instead of a dict"}},
		"a tensor":            {program(floats(1)), []string{"a tensor instead of a dict"}},
		"no tensors":          {program("}"), []string{"no tensors"}},
		"numbered tensors":    {program(dictOf(num(1), floats(1))), []string{"instead of a string"}},
		"name twice":          {program(dictOf(str("w"), floats(1), str("w"), floats(1))), []string{`tensor "w"`, "twice"}},
		"model twice":         {program(dictOf(str("model"), "}", str("model"), "}")), []string{`"model"`, "twice"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { refused(t, torchZip(t, c.pickle, data("0", 1)), c.words...) })
	}
}

func TestPickleBounds(t *testing.T) {
	cases := map[string]struct{ pickle, word string }{
		"lists in lists": {"\x80\x02" + strings.Repeat("]", 100_000) + strings.Repeat("a", 99_999) + ".", "on the stack"},
		"marks":          {"\x80\x02" + strings.Repeat("(", 2000) + ".", "nested more than"},
		"opcodes":        {"\x80\x02" + strings.Repeat("N0", 1<<20) + "N.", "opcodes"},
		"stack":          {"\x80\x02N" + strings.Repeat("2", 1<<17) + ".", "on the stack"},
		"memo":           {"\x80\x02N" + strings.Repeat("\x94", 1<<19+1) + ".", "memo entries"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := checkpoint.Unpickle([]byte(c.pickle)); err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("error %v, want %q in it", err, c.word)
			}
		})
	}
}

// TestPickleSharingIsCheap: lists that hold the one before twice, 30 deep, stand
// for 2^30 values and cost 30 lists; Python's own printing would never end.
func TestPickleSharingIsCheap(t *testing.T) {
	var p strings.Builder
	p.WriteString("]q\x00")
	for i := range 30 {
		p.WriteString("](h" + string(rune(i)) + "h" + string(rune(i)) + "eq" + string(rune(i+1)))
	}
	bomb := p.String()
	pickle := program("}(" + str("bomb") + tup(bomb) + str("w") + floats(1) + "u")
	if got := values(t, openBytes(t, torchZip(t, pickle, data("0", 7))), "w"); got[0] != 7 {
		t.Errorf("w is %v", got)
	}
}

func TestPickleCycles(t *testing.T) {
	self := "}q\x00(" + str("model") + "h\x00" + "u"
	refused(t, torchZip(t, program(self)), "no tensors")
	list := "]q\x01h\x01a"
	pickle := program(dictOf(str("loop"), list, str("w"), floats(1)))
	if got := values(t, openBytes(t, torchZip(t, pickle, data("0", 3))), "w"); got[0] != 3 {
		t.Errorf("w is %v", got)
	}
}

// TestPickleValuesBesideTensors covers what an optimizer or a configuration
// brings along, with each opcode that torch.save can write for it.
func TestPickleValuesBesideTensors(t *testing.T) {
	beside := []string{
		"N", "\x88", "\x89", "K\x05", "M\x05\x01", num(-3), num(1 << 40), "\x8a\x00", "\x8a\x0b" + strings.Repeat("\x01", 11),
		"\x8b\x01\x00\x00\x00\xff", "G\x3f\xf0\x00\x00\x00\x00\x00\x00", "U\x02hi", "T\x02\x00\x00\x00hi", "\x8c\x02hi",
		"\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi", "C\x01\xff", "B\x01\x00\x00\x00\xff", "\x8e\x01\x00\x00\x00\x00\x00\x00\x00\xff",
		"\x96\x01\x00\x00\x00\x00\x00\x00\x00\xff", ")", num(1) + "\x85", "NN\x86", "NNN\x87", "(NNt", "(Nl", "](NNe", "]Na",
		"}" + str("a") + "Ns", "(" + str("a") + "Nd", "\x8f(N\x90", "(N\x91", "N\x94", "N20", "N(0", "(NN1N", "Nr\x01\x00\x00\x00j\x01\x00\x00\x000",
		call("torch", "Size", nums(2, 3)), "\x95\x01\x00\x00\x00\x00\x00\x00\x00N",
	}
	// Memo and POP cases leave exactly one value each, except the marked pair.
	var items strings.Builder
	for _, b := range beside {
		if err := checkpoint.Unpickle([]byte(program("(" + b + "t"))); err != nil {
			t.Errorf("%q: %v", b, err)
		}
		items.WriteString(b)
	}
	pickle := program(dictOf(str("config"), tup(items.String()), str("model"), dictOf(str("step"), num(1), str("w"), floats(2))))
	c := openBytes(t, torchZip(t, pickle, data("0", 1, 2)))
	if err := sameBits(values(t, c, "w"), []float32{1, 2}); err != nil {
		t.Error(err)
	}
	if names := c.Names(); len(names) != 1 {
		t.Errorf("names %q", names)
	}
}
