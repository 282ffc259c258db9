package heatmap

// anchors are viridis at 0, 0.1 … 1 (Smith and van der Walt, CC0): equal steps
// of the value look equally large, lightness grows throughout, and red-green
// blindness changes next to nothing of it.
var anchors = [11][3]float32{
	{68, 1, 84},
	{72, 37, 118},
	{65, 68, 135},
	{53, 96, 141},
	{42, 120, 142},
	{33, 144, 140},
	{34, 168, 132},
	{67, 191, 113},
	{122, 209, 81},
	{187, 223, 39},
	{253, 231, 37},
}

// viridis is the colour of v, 0 to 1; between anchors, which lie closer than
// the eye tells apart, it is a straight line.
func viridis(v float32) [3]float32 {
	at := min(max(v, 0), 1) * float32(len(anchors)-1)
	i := min(int(at), len(anchors)-2)
	part := at - float32(i)
	var out [3]float32
	for c := range out {
		out[c] = anchors[i][c] + float32(part*(anchors[i+1][c]-anchors[i][c]))
	}
	return out
}
