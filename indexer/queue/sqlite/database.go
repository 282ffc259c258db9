package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// database is the file's one connection, which serves everything in turn. It
// keeps its statements: preparing them anew, with the triggers that they set
// off, took half of the queue's time.
type database struct {
	mu         sync.Mutex // guards everything, for a whole transaction
	pool       *sql.DB
	conn       *sql.Conn
	statements map[string]*sql.Stmt // by text, all of them constants of this package
}

func newDatabase(ctx context.Context, pool *sql.DB) (*database, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &database{pool: pool, conn: conn, statements: make(map[string]*sql.Stmt)}, nil
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, s := range d.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, d.conn.Close(), d.pool.Close())...)
}

// transaction commits what do did, or nothing.
func (d *database) transaction(ctx context.Context, do func(context.Context) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(ctx)
	if err == nil {
		_, err = d.exec(ctx, "COMMIT")
	}
	if err != nil {
		_, rollback := d.exec(ctx, "ROLLBACK")
		return errors.Join(err, rollback)
	}
	return nil
}

func (d *database) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := d.statements[text]; ok {
		return s, nil
	}
	s, err := d.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	d.statements[text] = s
	return s, nil
}

// exec runs one statement and returns how many rows it changed. mu must be held.
func (d *database) exec(ctx context.Context, text string, args ...any) (int64, error) {
	s, err := d.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("write queue: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("write queue: %w", err)
	}
	return n, nil
}

// scanner is what rows have in common.
type scanner interface{ Scan(into ...any) error }

// one reads the only row of an answer; sql.ErrNoRows where there is none. mu
// must be held.
func (d *database) one(ctx context.Context, text string, args []any, into ...any) error {
	s, err := d.prepare(ctx, text)
	if err != nil {
		return err
	}
	if err := s.QueryRowContext(ctx, args...).Scan(into...); err != nil {
		return fmt.Errorf("read queue: %w", err)
	}
	return nil
}

// all reads every row of an answer: the connection cannot write while it
// reads. mu must be held.
func all[T any](ctx context.Context, d *database, scan func(scanner) (T, error), text string, args ...any) (found []T, err error) {
	s, err := d.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err has told what there was
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read queue: %w", err)
		}
		found = append(found, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	return found, nil
}

// query is all from outside of a transaction.
func query[T any](ctx context.Context, d *database, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, err := all(ctx, d, scan, text, args...)
	return found, explain(err)
}

func scanNumber(row scanner) (n int64, err error) { return n, row.Scan(&n) }
