package engine

// topK is a heap whose first element is the worst of the k best.
type topK []scored

// add puts one in, in the place of the worst where there are k.
func (h *topK) add(s scored, k int) {
	if len(*h) < k {
		*h = append(*h, s)
		h.up(len(*h) - 1)
		return
	}
	(*h)[0] = s
	h.down()
}

func (h *topK) up(i int) {
	s := *h
	for i > 0 && s[i].score < s[(i-1)/2].score {
		s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
		i = (i - 1) / 2
	}
}

func (h *topK) down() {
	s, i := *h, 0
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s); child++ {
			if s[child].score < s[least].score {
				least = child
			}
		}
		if least == i {
			return
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
