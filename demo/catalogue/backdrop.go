package catalogue

// walls and floors are quiet colours that no product has.
var walls = [...]rgb{
	{236, 232, 226},
	{226, 233, 238},
	{238, 228, 226},
	{228, 236, 228},
	{240, 236, 222},
	{230, 228, 238},
	{218, 226, 228},
	{234, 224, 212},
	{222, 216, 214},
	{214, 222, 214},
	{206, 214, 224},
	{238, 238, 240},
}

var floors = [...]rgb{
	{214, 194, 168}, {200, 204, 206}, {222, 208, 190}, {196, 184, 172}, {210, 214, 206}, {226, 218, 210}, {188, 194, 202},
}

// backdrop paints the whole picture: a wall with or without a table before it,
// under light that falls off to one side.
func (c *canvas) backdrop(d dice) {
	wall, floor := jittered(d, walls[d.below(len(walls))], 8), jittered(d, floors[d.below(len(floors))], 8)
	horizon := c.size * 2
	if d.percent(45) {
		horizon = c.size * d.between(580, 800) / mille
	}
	slant := d.between(-60, 60)
	angle, fall := d.below(turn), int32(d.between(6, 30))
	gx, gy := int32(cosine(angle)>>7), int32(sine(angle)>>7)
	spot := int32(d.between(0, 26))
	n := int32(c.size)
	for y := range c.size {
		for x := range c.size {
			u, v := 512*int32(x)/n-256, 512*int32(y)/n-256
			light := 256 + (u*gx+v*gy)*fall>>16 - (u*u+v*v)*spot>>16
			edge := (y-horizon)*mille - (x-c.size/2)*slant
			table := min(max(int32(edge)*256/mille+128, 0), 256) // how much of the pixel is table
			if table > 0 {
				light += (14 - min(int32(max(edge, 0))*28/(n*400), 14)) * table >> 8
			}
			i := 3 * (y*c.size + x)
			for k := range 3 {
				to := (wall[k]*(256-table) + floor[k]*table) >> 8
				c.rgb[i+k] = uint8(min(max(to*light>>8, 0), 255))
			}
		}
	}
}

// grain adds a little noise and the room's brightness.
func (c *canvas) grain(d dice) {
	strength, gain := d.between(0, 2), int32(d.between(246, 262))
	bits, left := uint64(0), 0
	for i := 0; i < len(c.rgb); i += 3 {
		if left == 0 {
			bits, left = d.pcg.Uint64(), 16
		}
		n := int32(int(bits&15)*strength/8 - strength + strength/8)
		bits, left = bits>>4, left-1
		for k := range 3 {
			c.rgb[i+k] = uint8(min(max(int32(c.rgb[i+k])*gain>>8+n, 0), 255))
		}
	}
}

func jittered(d dice, c rgb, by int) rgb {
	all := d.between(-by, by)
	for i := range c {
		c[i] = min(max(c[i]+int32(all+d.between(-by/2, by/2)), 0), 255)
	}
	return c
}
