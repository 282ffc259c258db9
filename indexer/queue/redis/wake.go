package redis

import (
	"context"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"sightline/indexer/queue"
)

// wake tells waiting Lease calls of this process that scripts, of any process,
// made jobs ready. It may miss some while the connection is down.
type wake struct {
	subscription *goredis.PubSub
	done         chan struct{} // closed with the queue
	listening    sync.WaitGroup

	mu   sync.Mutex
	next chan struct{} // closed at the next wake-up
	once sync.Once
}

func listen(ctx context.Context, client *goredis.Client, channel string) *wake {
	w := &wake{subscription: client.Subscribe(ctx, channel), done: make(chan struct{}), next: make(chan struct{})}
	messages := w.subscription.Channel(goredis.WithChannelSize(1))
	w.listening.Go(func() {
		for range messages {
			w.all()
		}
	})
	return w
}

func (w *wake) channel() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

func (w *wake) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.next)
	w.next = make(chan struct{})
}

// err is ErrClosed after close.
func (w *wake) err() error {
	select {
	case <-w.done:
		return queue.ErrClosed
	default:
		return nil
	}
}

func (w *wake) close() (err error) {
	w.once.Do(func() {
		close(w.done)
		err = w.subscription.Close()
		w.listening.Wait()
	})
	return err
}
