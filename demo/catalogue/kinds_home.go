package catalogue

var bags = []kind{
	{word: "bag", synonym: "handbag", plural: "bags", manySynonym: "handbags", category: "Bags > Handbags", parts: both("handle", "clasp"), use: use{base: 84, stands: true}, draw: []string{
		"a/13 M-38,-14 Q-42,-88 0,-88 Q42,-88 38,-14",
		"m M-66,-24 L66,-24 Q76,-20 84,64 Q86,84 66,84 L-66,84 Q-86,84 -84,64 Q-76,-20 -66,-24",
		"s/3 M-72,4 Q0,34 72,4",
		"b R-17,0 17,32 6",
	}},
	{word: "backpack", synonym: "rucksack", plural: "backpacks", manySynonym: "rucksacks", category: "Bags > Backpacks", parts: both("pocket", "straps"), use: use{base: 88, stands: true}, draw: []string{
		"b/17 M-48,-58 Q-92,-36 -76,50",
		"b/17 M48,-58 Q92,-36 76,50",
		"d/9 M-16,-84 Q0,-108 16,-84",
		"m R-62,-88 62,88 36",
		"s/4 M-60,-26 Q0,-8 60,-26",
		"a R-44,10 44,72 13",
		"s/4 M-36,26 L36,26",
	}},
	{word: "suitcase", plural: "suitcases", category: "Bags > Luggage", parts: both("handle", "wheels"), use: use{base: 96, stands: true}, draw: []string{
		"a/12 M-28,-50 L-28,-88 L28,-88 L28,-50",
		"b* E-44,84 17 15",
		"m R-72,-60 72,80 15",
		"s/4 M-36,-50 L-36,70",
		"s/4 M36,-50 L36,70",
	}},
	{word: "basket", plural: "baskets", category: "Home > Baskets", parts: both("handle", "rim"), use: use{base: 86, mouth: -10, holds: true, stands: true}, draw: []string{
		"a/12 M-70,-10 Q-72,-96 0,-96 Q72,-96 70,-10",
		"d E0,-12 78 14",
		"--",
		"m M-80,-10 L80,-10 L64,78 Q0,92 -64,78",
		"s/3 M-76,24 Q0,32 76,24",
		"s/3 M-71,50 Q0,60 71,50",
		"s/3 M-30,10 L-25,82",
		"s/3 M30,10 L25,82",
		"b R-88,-24 88,8 13",
	}},
}

var kitchen = []kind{
	{word: "mug", synonym: "cup", plural: "mugs", manySynonym: "cups", category: "Kitchen > Mugs", parts: both("handle", "rim"), use: use{base: 70, stands: true, peeks: true}, draw: []string{
		"a/17 M42,-32 Q92,-40 90,2 Q88,44 40,40",
		"m M-62,-54 L52,-54 Q54,22 46,62 Q-5,76 -56,62 Q-64,22 -62,-54",
		"d E-5,-54 57 13",
		"b/10 E-5,-54 57 13",
	}},
	{word: "plate", plural: "plates", category: "Kitchen > Plates", parts: one("rim"), use: use{base: 92}, draw: []string{
		"a E0,0 94 94",
		"m E0,0 66 66",
		"s/2 E0,0 52 52",
	}},
	{word: "bowl", plural: "bowls", category: "Kitchen > Bowls", parts: both("rim", "foot"), use: use{base: 80, mouth: -30, holds: true, stands: true}, draw: []string{
		"b M-36,52 L36,52 L46,82 Q0,90 -46,82",
		"d E0,-32 88 20",
		"a/11 E0,-32 88 20",
		"--",
		"m M-90,-32 C-90,-5 90,-5 90,-32 Q86,56 34,66 Q0,70 -34,66 Q-86,56 -90,-32",
		"a/12 M-88,-32 C-88,-5 88,-5 88,-32",
	}},
	{word: "teapot", plural: "teapots", category: "Kitchen > Teapots", parts: both("lid", "handle"), use: use{base: 80, stands: true}, draw: []string{
		"b/14 M-50,-18 Q-98,-34 -94,14 Q-88,50 -44,48",
		"n M46,34 Q70,22 72,-28 L96,-36 Q96,34 52,62",
		"m E0,22 66 58",
		"s E0,78 40 8",
		"a E0,-58 13 12",
		"a M-46,-22 Q-36,-52 0,-52 Q36,-52 46,-22 Q0,-8 -46,-22",
	}},
	{word: "bottle", synonym: "flask", plural: "bottles", manySynonym: "flasks", category: "Kitchen > Bottles", parts: both("lid", "label"), use: use{base: 92, stands: true, peeks: true}, draw: []string{
		"m M-18,-62 L18,-62 L18,-42 Q46,-26 46,4 L46,82 Q46,93 34,93 L-34,93 Q-46,93 -46,82 L-46,4 Q-46,-26 -18,-42",
		"b M-46,4 L46,4 L46,36 L-46,36",
		"a R-25,-96 25,-58 7",
	}},
	{word: "pot", synonym: "saucepan", plural: "pots", manySynonym: "saucepans", category: "Kitchen > Pots", parts: both("lid", "handles"), use: use{base: 74, stands: true}, draw: []string{
		"b/13 M-66,0 Q-98,-6 -96,16 Q-94,36 -64,30",
		"b/13 M66,0 Q98,-6 96,16 Q94,36 64,30",
		"m M-72,-22 L72,-22 L72,50 Q70,76 46,76 L-46,76 Q-70,76 -72,50",
		"a E0,-64 14 12",
		"a M-79,-16 Q-76,-56 0,-58 Q76,-56 79,-16 Q0,-4 -79,-16",
	}},
	{word: "vase", plural: "vases", category: "Home > Vases", parts: both("band", "foot"), use: use{base: 94, stands: true}, draw: []string{
		"b M-34,70 L34,70 L46,90 Q0,100 -46,90",
		"m M-30,-90 L30,-90 Q24,-62 26,-52 Q70,-22 66,20 Q60,62 32,80 L-32,80 Q-60,62 -66,20 Q-70,-22 -26,-52 Q-24,-62 -30,-90",
		"d E0,-90 30 7",
		"a M-66,-2 Q0,12 66,-2 Q68,12 65,28 Q0,44 -65,28 Q-68,12 -66,-2",
	}},
}

var furniture = []kind{
	{word: "chair", plural: "chairs", category: "Furniture > Chairs", parts: both("legs", "cushion"), use: use{base: 94}, draw: []string{
		"a* M-28,20 L-18,20 L-20,76 L-29,76",
		"a* M-54,24 L-38,24 L-42,94 L-57,94",
		"m R-48,-94 48,4 18",
		"n M-52,6 L52,6 L64,30 L-64,30",
		"b R-50,-12 50,18 12",
	}},
	{word: "stool", plural: "stools", category: "Furniture > Stools", parts: both("legs", "rung"), use: use{base: 94, top: -48, support: true}, draw: []string{
		"a* M-50,-20 L-34,-20 L-54,94 L-72,94",
		"b/12 M-52,40 L52,40",
		"m M-76,-46 C-76,-72 76,-72 76,-46 L76,-22 C76,6 -76,6 -76,-22",
		"s/3 M-76,-44 C-76,-18 76,-18 76,-44",
	}},
	{word: "table", synonym: "desk", plural: "tables", manySynonym: "desks", category: "Furniture > Tables", parts: both("legs", "drawer"), use: use{base: 90, top: -40, support: true}, draw: []string{
		"a* M-82,-10 L-64,-10 L-68,90 L-82,90",
		"a* M-56,-10 L-46,-10 L-48,66 L-56,66",
		"b R-34,-12 34,24 4",
		"d E0,8 6 5",
		"m M-68,-60 L68,-60 L96,-20 L-96,-20",
		"n M-96,-20 L96,-20 L96,-4 L-96,-4",
	}},
	{word: "sofa", synonym: "couch", plural: "sofas", manySynonym: "couches", category: "Furniture > Sofas", parts: both("cushions", "legs"), use: use{base: 86, stands: false}, draw: []string{
		"b* R-82,54 -60,88 4",
		"m R-80,-58 80,44 20",
		"m R-72,30 72,70 6",
		"m* R-99,-20 -64,70 15",
		"a* R-64,-14 0,40 10",
	}},
	{word: "bed", plural: "beds", category: "Furniture > Beds", parts: both("headboard", "legs"), use: use{base: 86, top: -8, support: true}, draw: []string{
		"b R-92,44 -76,86 3",
		"b R76,44 92,86 3",
		"a R-99,-66 -78,64 9",
		"l R-84,6 92,40 8",
		"l R-78,-20 -34,12 13",
		"m M-40,-10 Q30,-22 84,-10 Q96,-4 96,56 L-40,56",
		"n M-40,-11 Q-20,-16 -18,-14 L-18,56 L-40,56",
	}},
	{word: "clock", plural: "clocks", category: "Home > Clocks", parts: both("frame", "hands"), use: use{base: 92, stands: true, peeks: true}, draw: []string{
		"a E0,0 92 92",
		"m E0,0 72 72",
		"d R-4,-66 4,-56 1",
		"d R-4,56 4,66 1",
		"d R-66,-4 -56,4 1",
		"d R56,-4 66,4 1",
		"b/13 M0,2 L0,-50",
		"b/13 M0,2 L36,20",
	}},
}

var lights = []kind{
	{word: "lamp", plural: "lamps", category: "Lighting > Lamps", parts: both("base", "trim"), use: use{base: 93, stands: true}, draw: []string{
		"a R-8,10 8,80 3",
		"a M-44,93 Q-44,70 0,70 Q44,70 44,93",
		"m M-36,-88 L36,-88 L72,16 Q0,32 -72,16",
		"b M-65,-6 Q0,10 65,-6 L73,17 Q0,34 -73,17",
	}},
	{word: "lantern", plural: "lanterns", category: "Lighting > Lanterns", parts: both("cap", "tassel"), use: use{base: 98, stands: false}, draw: []string{
		"d/4 M0,-96 L0,-70",
		"b M-9,56 L9,56 L16,98 L-16,98",
		"m E0,-2 78 62",
		"s/2 M-30,-58 Q-62,0 -30,54",
		"s/2 M30,-58 Q62,0 30,54",
		"a R-32,-76 32,-52 6",
		"a R-26,50 26,66 5",
	}},
	{word: "candle", plural: "candles", category: "Lighting > Candles", parts: both("holder", "band"), use: use{base: 88, stands: true}, draw: []string{
		"y M0,-100 Q26,-70 12,-54 Q0,-46 -12,-54 Q-26,-70 0,-100",
		"d/4 M0,-60 L0,-44",
		"a/10 E70,58 16 14",
		"m R-32,-46 32,62 7",
		"b M-33,8 L33,8 L33,32 L-33,32",
		"a M-70,52 Q0,66 70,52 L56,82 Q0,94 -56,82",
	}},
}
