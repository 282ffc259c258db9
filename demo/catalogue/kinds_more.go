package catalogue

var tools = []kind{
	{word: "hammer", plural: "hammers", category: "Tools > Hammers", parts: both("head", "grip"), plain: true, use: use{base: 96}, draw: []string{
		"m R-13,-56 13,62 4",
		"b R-19,26 19,96 12",
		"a M-62,-92 L26,-92 Q56,-90 74,-58 Q50,-66 36,-52 L-62,-52",
		"s M-62,-92 L-44,-92 L-44,-52 L-62,-52",
	}},
	{word: "bucket", synonym: "pail", plural: "buckets", manySynonym: "pails", category: "Tools > Buckets", parts: both("handle", "rim"), use: use{base: 88, mouth: -40, holds: true, stands: true}, draw: []string{
		"a/10 M-72,-38 Q-66,-98 0,-98 Q66,-98 72,-38",
		"d E0,-40 74 16",
		"b/11 E0,-40 74 16",
		"--",
		"m M-75,-40 C-75,-18 75,-18 75,-40 L56,78 Q0,96 -56,78",
		"s/3 M-68,6 Q0,26 68,6",
		"b/12 M-74,-40 C-74,-18 74,-18 74,-40",
	}},
	{word: "toolbox", plural: "toolboxes", category: "Tools > Toolboxes", parts: both("handle", "latches"), use: use{base: 66, stands: true}, draw: []string{
		"a/15 M-36,-34 L-36,-70 L36,-70 L36,-34",
		"m R-90,-42 90,66 9",
		"s/4 M-90,-6 L90,-6",
		"b* R-62,-20 -36,16 5",
	}},
}

var toys = []kind{
	{word: "ball", plural: "balls", category: "Toys > Balls", parts: one("band"), use: use{base: 84, stands: true, peeks: true}, draw: []string{
		"m E0,0 86 86",
		"a M-85,-16 Q0,10 85,-16 Q88,0 84,20 Q0,46 -84,20 Q-88,0 -85,-16",
	}},
	{word: "bear", synonym: "teddy", plural: "bears", manySynonym: "teddies", category: "Toys > Soft toys", parts: both("ears", "bow"), use: use{base: 94, stands: true, peeks: true}, draw: []string{
		"a* E-46,-74 24 23",
		"n* E-36,74 27 21",
		"n* E-56,32 19 30",
		"m E0,42 50 48",
		"n E0,-36 57 49",
		"l E0,-20 25 19",
		"d E0,-28 9 7",
		"d* E-22,-44 6 7",
		"b* M0,14 L-36,-6 L-36,34",
		"b E0,14 11 10",
	}},
	{word: "car", plural: "cars", category: "Toys > Cars", parts: both("wheels", "roof"), use: use{base: 66, stands: true}, draw: []string{
		"b M-56,-8 Q-36,-60 -8,-62 L20,-62 Q46,-60 62,-8",
		"g M-36,-12 Q-24,-44 -4,-44 L-4,-12",
		"g M8,-12 L8,-44 L18,-44 Q32,-42 42,-12",
		"m M-97,22 Q-98,-8 -70,-14 L64,-14 Q96,-6 97,24 Q97,44 84,44 L-84,44 Q-97,44 -97,22",
		"y E86,8 9 9",
		"a* E-52,42 26 26",
		"t* E-52,42 9 9",
	}},
	{word: "boat", synonym: "ship", plural: "boats", manySynonym: "ships", category: "Toys > Boats", parts: both("sail", "flag"), use: use{base: 82, stands: true}, draw: []string{
		"w/6 M0,24 L0,-96",
		"a M8,-70 Q70,-26 76,16 L8,16",
		"a M-8,-50 Q-14,-10 -10,16 L-62,16",
		"b M2,-98 L44,-86 L2,-70",
		"m M-96,24 L96,24 Q76,84 42,84 L-46,84 Q-82,80 -96,24",
		"s/3 M-88,40 L88,40",
	}},
	{word: "kite", plural: "kites", category: "Toys > Kites", parts: both("tail", "border"), use: use{base: 98}, draw: []string{
		"a/11 M0,50 Q40,60 18,76 Q-4,86 12,98",
		"a M14,70 L42,62 L38,88",
		"a M10,72 L-18,62 L-16,88",
		"m M0,-94 L68,-28 L0,56 L-68,-28 Z",
		"s/3 M0,-94 L0,56",
		"s/3 M-68,-28 L68,-28",
		"b/12 M0,-92 L66,-28 L0,54 L-66,-28 Z",
	}},
	{word: "rocket", synonym: "spaceship", plural: "rockets", manySynonym: "spaceships", category: "Toys > Rockets", parts: both("fins", "nose"), use: use{base: 88, stands: true}, draw: []string{
		"y M-20,70 Q0,124 20,70",
		"a* M-32,20 L-78,74 L-74,92 L-30,72",
		"m M-40,-34 Q-46,20 -32,76 L32,76 Q46,20 40,-34 Q0,-48 -40,-34",
		"b M-41,-28 Q-30,-76 0,-99 Q30,-76 41,-28 Q0,-14 -41,-28",
		"g E0,10 18 18",
		"t/6 E0,10 18 18",
	}},
	{word: "drum", plural: "drums", category: "Toys > Music", parts: both("rim", "sticks"), use: use{base: 74, stands: true}, draw: []string{
		"m M-78,-30 L78,-30 L78,50 C78,80 -78,80 -78,50",
		"l E0,-30 78 24",
		"a/12 M-78,48 C-78,80 78,80 78,48",
		"a/12 E0,-30 78 24",
		"b/11 M-64,-94 L-4,-38",
		"b/11 M68,-94 L14,-40",
	}},
	{word: "duck", plural: "ducks", category: "Toys > Bath toys", parts: both("beak", "wing"), use: use{base: 70, stands: true, peeks: true}, draw: []string{
		"a M-68,-50 Q-102,-42 -99,-28 Q-92,-14 -62,-22",
		"m M-78,-2 Q-62,14 -4,-2 Q44,-12 66,-30 Q90,-34 88,-6 Q86,70 4,72 Q-80,72 -78,-2",
		"n E-36,-42 42 40",
		"b M-18,16 Q32,-10 62,16 Q44,54 8,50 Q-18,42 -18,16",
		"d E-48,-52 7 8",
	}},
}

var accessories = []kind{
	{word: "watch", synonym: "wristwatch", plural: "watches", manySynonym: "wristwatches", category: "Accessories > Watches", parts: both("strap", "rim"), use: use{base: 98}, draw: []string{
		"a M-26,-99 L26,-99 L34,-36 L-34,-36",
		"a M-26,99 L26,99 L34,36 L-34,36",
		"s/2 M-28,-78 L28,-78",
		"s/2 M-28,78 L28,78",
		"t R56,-9 72,9 4",
		"b E0,0 64 64",
		"m E0,0 48 48",
		"d/7 M0,2 L0,-32",
		"d/7 M0,2 L22,12",
	}},
	{word: "umbrella", synonym: "parasol", plural: "umbrellas", manySynonym: "parasols", category: "Accessories > Umbrellas", parts: both("handle", "tip"), use: use{base: 92}, draw: []string{
		"b R-10,-100 10,-60 4",
		"a/12 M0,-10 L0,70 Q0,94 17,94 Q34,94 34,74",
		"m M-97,8 C-94,-96 94,-96 97,8 Q80,-14 65,4 Q48,-14 32,4 Q16,-14 0,4 Q-16,-14 -32,4 Q-48,-14 -65,4 Q-80,-14 -97,8",
		"s/3 M0,-70 Q-28,-40 -32,2",
		"s/3 M0,-70 Q28,-40 32,2",
	}},
	{word: "book", plural: "books", category: "Books", parts: both("spine", "ribbon"), use: use{base: 92, stands: true}, draw: []string{
		"l R-58,-70 66,86 5",
		"m R-66,-86 70,74 6",
		"a R-80,-86 -42,80 7",
		"b M28,-88 L50,-88 L50,100 L39,88 L28,100",
	}},
	{word: "gift", synonym: "present", plural: "gifts", manySynonym: "presents", category: "Toys > Gifts", parts: both("lid", "ribbon"), use: use{base: 86, stands: true, peeks: true}, draw: []string{
		"b/12 M0,-46 Q-52,-100 -54,-68 Q-50,-46 0,-46",
		"b/12 M0,-46 Q52,-100 54,-68 Q50,-46 0,-46",
		"m R-68,-30 68,86 5",
		"a R-78,-48 78,-10 6",
		"b R-13,-48 13,86 1",
	}},
}
