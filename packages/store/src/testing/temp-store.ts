/** Places for stores of tests: a folder that goes at the end, or databases of one private PostgreSQL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** URLs of SQLite files in a folder of their own. */
export class TempFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'labmesh-store-'));
  #files = 0;

  nextUrl = (): Promise<string> => Promise.resolve(`sqlite://${join(this.path, `${++this.#files}.db`)}`);

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
