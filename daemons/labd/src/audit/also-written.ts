/** What is committed together with an audit row: the session that it announces, so that one commit does for both. */
import type { Writer } from '@labmesh/store/store';

/** Stands exactly when the row does. May run more than once (ST-3). */
export type AlsoWritten = (tx: Writer) => Promise<unknown>;

type WithAlso = { also?: AlsoWritten | undefined };

/** The database refused it: the row goes, and not the others of its group. */
export class AlsoFailed<T extends WithAlso = WithAlso> extends Error {
  readonly ticket: T;
  constructor(ticket: T, cause: unknown) {
    super('what goes with an audit row was refused', { cause });
    this.name = 'AlsoFailed';
    this.ticket = ticket;
  }
}

/** @throws AlsoFailed for the first that fails. */
export async function writeAlso(tx: Writer, tickets: readonly WithAlso[]): Promise<void> {
  for (const ticket of tickets) {
    try {
      await ticket.also?.(tx);
    } catch (error) {
      throw new AlsoFailed(ticket, error);
    }
  }
}
