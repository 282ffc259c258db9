package features

// index knows where the record of each picture lies, and in which order they
// were last used. It takes 160 bytes a picture. Its user locks it.
type index struct {
	entries        map[key]*entry
	newest, oldest *entry // ends of the list by last use
	live           int64  // bytes of all records
}

type entry struct {
	found
	seg          *segment
	newer, older *entry
}

// place is where a record lies.
type place struct {
	seg *segment
	found
}

func (e *entry) place() place { return place{seg: e.seg, found: e.found} }

// put notes a record as the one that counts for its picture, and the picture
// as just used.
func (x *index) put(seg *segment, f found) {
	x.drop(f.key)
	e := &entry{found: f, seg: seg}
	x.entries[f.key] = e
	x.live += f.bytes()
	seg.live += f.bytes()
	x.link(e)
}

// move notes where the same record lies now; its last use stays.
func (x *index) move(e *entry, seg *segment, at int64) {
	e.seg.bury(e)
	e.seg, e.at = seg, at
	seg.live += e.bytes()
}

// drop forgets a picture and tells whether there was one.
func (x *index) drop(k key) bool {
	e, ok := x.entries[k]
	if !ok {
		return false
	}
	delete(x.entries, k)
	x.unlink(e)
	x.live -= e.bytes()
	e.seg.bury(e)
	return true
}

// bury counts a record of the segment as dead.
func (g *segment) bury(e *entry) {
	g.live -= e.bytes()
	g.ghosts = append(g.ghosts, e.key.short())
}

// touch notes the picture as just used.
func (x *index) touch(e *entry) {
	if x.newest != e {
		x.unlink(e)
		x.link(e)
	}
}

// link puts e at the newest end.
func (x *index) link(e *entry) {
	e.older, e.newer = x.newest, nil
	if x.newest != nil {
		x.newest.newer = e
	} else {
		x.oldest = e
	}
	x.newest = e
}

func (x *index) unlink(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		x.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		x.oldest = e.newer
	}
}

// age puts e at the oldest end.
func (x *index) age(e *entry) {
	x.unlink(e)
	e.newer, e.older = x.oldest, nil
	if x.oldest != nil {
		x.oldest.older = e
	} else {
		x.newest = e
	}
	x.oldest = e
}
