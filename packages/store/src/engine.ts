/** What the two engines give to the store; all that they do not share is behind this. */
import type { ControlledTransaction } from 'kysely';
import type { Reader } from './store.ts';
import type { Tables } from './tables.ts';

export interface Engine {
  readonly name: 'sqlite' | 'postgres';
  /** Sees what is committed. */
  readonly reader: Reader;
  /** Its transactions are SERIALIZABLE. */
  readonly writer: Reader;
  /** A read-only transaction on one snapshot, which holds up no writer. `close` after its commit or rollback. */
  startSnapshot(): Promise<{ transaction: ControlledTransaction<Tables>; close: () => Promise<void> }>;
  /** One DDL statement, in no transaction and with no time limit. */
  ddl(text: string): Promise<void>;
  close(): Promise<void>;
}
