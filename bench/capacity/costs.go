package main

// figure is a measured number and where it stands. Those of bench/versus name
// table, cell and row of its results, and are the median of all turns; of other
// files Row is text that is in them, with | between several. Of results Value is the
// mean of Row's numbers, of two rounds where it has two, divided by Per; of pages
// Per is 0. TestFigures looks all of them up.
type figure struct {
	What  string
	Value float64
	Unit  string
	File  string
	Row   string
	Per   float64
}

// The machines that figures are of.
const (
	stores = "bench/stores/results/2026-11-26T1317-intel-xeon-processor-2-cores.json"
	ingest = "bench/ingest/results/2026-11-26T1618-intel-xeon-processor-2-cores.json"
	versus = "bench/versus/results/2026-11-26T2056-intel-xeon-processor-2-cores.json"
	load   = "bench/load/results/2026-11-26T1921-intel-xeon-processor-2-cores.json"
	gpu2   = "bench/gpu/results/2026-11-26-h100/call-2/fp16-1.json" // and fp16-2.json, its second round
	gpu3   = "bench/gpu/results/2026-11-26-h100/call-3/fp16-1.json"
)

// Units of figures. Wall times of models are of both cores of the machine.
const (
	bytesEach = "bytes"
	wall2     = "ms on 2 cores"
	coreMS    = "core-ms"
	gpuMS     = "GPU-ms"
	perSecond = "a second"
	micros    = "µs"
)

// figures are everything that the plans are made of.
type figures struct {
	IndexRAM, IndexDisk, MilvusDisk, Scan                    figure
	Full, Pooled, DemoFull, DemoPooled                       figure
	ReadStates, Expand                                       figure
	Text8, Text8FP32, Pair8, Pair16, Pair8FP32, Tower        figure
	ImportDemo, ImportBase, Decode                           figure
	GPUText, GPUVision, GPUPairs32, GPUPairs128, GPUNoUpload figure
	CacheMemory, CacheRedis                                  figure
}

// measured are the figures.
func measured() figures {
	return figures{
		IndexRAM:   figure{"embedded store, memory of an item (a million, 256 dimensions)", 2151.8, bytesEach, stores, `"pss": 2151791616`, 1e6},
		IndexDisk:  figure{"embedded store, disk of an item", 1390.9, bytesEach, stores, `"disk": 1390886912`, 1e6},
		MilvusDisk: figure{"Milvus Lite, disk of an item (100,000)", 2111.7, bytesEach, stores, `"disk": 211173376`, 1e5},
		Scan:       figure{"exact scan of a million, k = 200, processor time", 39.97, coreMS, stores, `"cpu_us": 39970.085`, 1e3},

		Full:       figure{"patch states of a picture, BLIP-base, int8", 448580, bytesEach, "docs/features.md", "448,580 / 1,772,608", 0},
		Pooled:     figure{"the same, pooled", 116230, bytesEach, "docs/features.md", "116,230 and 4,294 bytes", 0},
		DemoFull:   figure{"patch states of a picture, demo model, fp32 (its default)", 49984, bytesEach, "docs/features.md", "13,572 / 49,984", 0},
		DemoPooled: figure{"the same, pooled, int8", 4294, bytesEach, "docs/features.md", "116,230 and 4,294 bytes", 0},
		ReadStates: figure{"reading the states of a picture of BLIP-base, processor time", 0.11, coreMS, "docs/benchmarks.md", "0.11 ms of processor time", 0},
		Expand:     figure{"expanding pooled ones", 0.15, coreMS, "docs/features.md", "0.15 ms a candidate", 0},

		Text8:     figure{"a text's embedding, BLIP-base int8, 8 tokens", 12.99, wall2, versus, "text | L=8 | Sightline int8", 0},
		Text8FP32: figure{"the same, fp32", 26.70, wall2, versus, "text | L=8 | Sightline fp32", 0},
		Pair8:     figure{"a pair, BLIP-base int8, states int8, 8 tokens", 4.495, wall2, versus, "match | L=8, batch 32 | Sightline int8, states int8", 0},
		Pair16:    figure{"the same, 16 tokens", 9.106, wall2, versus, "match | L=16, batch 32 | Sightline int8, states int8", 0},
		Pair8FP32: figure{"a pair, BLIP-base fp32, states int8, 8 tokens", 13.79, wall2, versus, "match | L=8, batch 32 | Sightline fp32, states int8", 0},
		Tower:     figure{"vision tower, BLIP-base int8, batch 8, a picture", 128.3, wall2, versus, "vision | pixels ready, batch 8 | Sightline int8", 0},

		ImportDemo: figure{"import of a picture, demo model, the whole program", 8.995, coreMS, ingest, `"cpu_seconds": 8.788714|"cpu_seconds": 9.201109`, 1},
		ImportBase: figure{"import of a picture, BLIP-base fp32, the whole program", 1337.8, coreMS, ingest, `"cpu_seconds": 43.8436|"cpu_seconds": 41.776025`, 0.032},
		Decode:     figure{"of that, decoding and writing (256 px; a 12 MP JPEG takes 254 ms)", 25.5, coreMS, ingest, `"decode": 0.672019014|"decode": 0.842990228|"write": 0.072436831|"write": 0.043895754`, 0.016},

		GPUText:     figure{"a text, H100, fp16, 8 tokens", 1.582, gpuMS, gpu2, `"p50_ms": 1.44123|"p50_ms": 1.72357`, 1},
		GPUVision:   figure{"pictures a second, H100, fp16, 32 at a time, host to host", 488, perSecond, gpu2, `"per_second": 554.651|"per_second": 421.55`, 1},
		GPUPairs32:  figure{"pairs a second, H100, 32 a run, two runs at a time (means of two rounds, as all of the card)", 6544, perSecond, gpu3, `"per_second": 8064.05|"per_second": 5023.76`, 1},
		GPUPairs128: figure{"the same, 128 a run", 19236, perSecond, gpu3, `"per_second": 21253.55|"per_second": 17218.93`, 1},
		GPUNoUpload: figure{"the same, 128 a run, states already on the card, one run at a time", 26476, perSecond, gpu3, `"per_second": 26394.33|"per_second": 26557.76`, 1},

		CacheMemory: figure{"answer from the cache in memory, without HTTP", 6.3, micros, "docs/caching.md", "1.2 / 6.3 / 32 µs", 0},
		CacheRedis:  figure{"answer from Redis, without HTTP", 32, micros, "docs/caching.md", "1.2 / 6.3 / 32 µs", 0},
	}
}

// all are the figures in the order of the page.
func (f figures) all() []figure {
	return []figure{
		f.IndexRAM, f.IndexDisk, f.MilvusDisk, f.Scan, f.Full, f.Pooled, f.DemoFull, f.DemoPooled, f.ReadStates, f.Expand,
		f.Text8, f.Text8FP32, f.Pair8, f.Pair16, f.Pair8FP32, f.Tower, f.ImportDemo, f.ImportBase, f.Decode,
		f.GPUText, f.GPUVision, f.GPUPairs32, f.GPUPairs128, f.GPUNoUpload, f.CacheMemory, f.CacheRedis,
	}
}

// What was not measured.
const (
	// milvusRAM of an item on a server: 1,024 bytes of vector, 128 of HNSW links
	// (M = 16, 32 links of 4 bytes), and 400 for id and filter columns. Reckoned.
	milvusRAM = 1024 + 128 + 400
	// milvusNode is the memory of a query node that items may fill: 64 GB at 70 %.
	milvusNode = 64e9 * 0.7
	// pictureBytes of a stored original, where the user does not say: a guess.
	pictureBytes = 100e3
	// cachedAnswer is the size of an answer with ten hits: the one docs/caching.md measures with.
	cachedAnswer = 4096
	// embeddedLimit is docs/embedded.md's: memory and a scan of 40 core-ms a million.
	embeddedLimit = 2e6
)
