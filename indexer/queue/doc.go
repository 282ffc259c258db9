// Package queue keeps the work that a catalogue's changes cause: items to
// write, items to delete, feeds to import. Nothing that was accepted is lost:
// a job is repeated until a worker has reported its end, or lies among the
// dead with stage and reason until somebody retries it.
//
// Queue is the contract. Package sqlite keeps it in a file for one process,
// package redis in a Redis for several; both pass queuetest's suite. Run works
// on either.
//
//	           Lease              Done
//	waiting ───────────▶ leased ────────▶ done
//	 ▲ │  ▲                │ │ │
//	 │ │  └────────────────┘ │ └────────▶ dead        Fail for good, or attempts used up
//	 │ │  Fail, Release,     │             │
//	 │ │  lease expired      ▼             │ Retry
//	 │ └──────────────▶ superseded ◀───────┤          a newer version of the key came
//	 └─────────────────────────────────────┘
//
// Every job of one key runs after the one before it has ended, never beside
// it. Jobs with a version follow "latest wins": one that a newer version
// overtook before it ran ends as superseded without running.
package queue
