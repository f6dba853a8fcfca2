/**
 * A private PostgreSQL for tests, from the programs that the distribution installed: its own folder, a free port on
 * 127.0.0.1, trust for whoever reaches it, gone at the end. It refuses to run as root, so root hands it to another user.
 */
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Place } from './start-labd.ts';

const programsRoot = '/usr/lib/postgresql';
const readyTimeoutMs = 30_000;
/** In a namespace nobody else takes it. */
const placedPort = 5432;
type Account = { name: string; uid: number; gid: number };

/** The newest installed version's folder of programs. */
function programs(): string | undefined {
  if (!existsSync(programsRoot)) return undefined;
  const versions = readdirSync(programsRoot).toSorted((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(programsRoot, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** Who runs it: this user, or for root `postgres` or `nobody`. */
function account(): Account | undefined {
  const uid = process.getuid?.() ?? -1;
  if (uid !== 0) return { name: '', uid, gid: process.getgid?.() ?? -1 };
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const wanted of ['postgres', 'nobody']) {
    const [name, , foundUid, foundGid] = lines.find((line) => line.startsWith(`${wanted}:`))?.split(':') ?? [];
    if (name !== undefined) return { name, uid: Number(foundUid), gid: Number(foundGid) };
  }
  return undefined;
}

/** Why a private PostgreSQL cannot be started here, or undefined when it can: `test.skipIf(postgresAvailable())`. */
export function postgresAvailable(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (programs() === undefined) return `needs PostgreSQL under ${programsRoot}`;
  const found = account();
  if (found === undefined) return 'needs an account other than root';
  if (found.name !== '' && Bun.which('setpriv') === null) return 'needs setpriv, since PostgreSQL refuses root';
  return undefined;
}

/** The command as the account that PostgreSQL runs under; it dies with this process. */
function asAccount(words: string[]): string[] {
  const { name, uid, gid } = account() ?? { name: '', uid: 0, gid: 0 };
  if (Bun.which('setpriv') === null) return words;
  const change = name === '' ? [] : [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return ['setpriv', '--pdeathsig', 'SIGINT', ...change, ...words];
}

function ownFolder(below: string): string {
  const folder = mkdtempSync(join(below, 'labmesh-pg-'));
  const { uid, gid } = account() ?? { uid: -1, gid: -1 };
  chownSync(folder, uid, gid);
  return folder;
}

/** Half a second of work; nothing of it is kept for the next server, since a test process has no end to tidy up at. */
function initialise(folder: string): void {
  const initdb = join(programs() ?? '', 'initdb');
  const words = [
    initdb,
    '-D',
    join(folder, 'data'),
    '-U',
    'lab',
    '-A',
    'trust',
    '--no-sync',
    '-E',
    'UTF8',
    '--locale=C',
  ];
  const run = Bun.spawnSync(asAccount(words), { cwd: folder, env: { PATH: process.env['PATH'] ?? '' } });
  if (run.exitCode !== 0) throw new Error(`initdb: ${run.stderr.toString()}`);
  // initdb trusts this machine only; a network lab is other machines.
  appendFileSync(join(folder, 'data', 'pg_hba.conf'), 'host all all 10.99.0.0/24 trust\n');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export type StartPostgresOptions = {
  /** Writes reach the disk before a commit is told. Off unless durability is what the test is about. */
  durable?: boolean;
  /** Further settings, as in postgresql.conf. */
  settings?: Readonly<Record<string, string>>;
  /** Where its folder is made: a disk of the test's own, open to all accounts. */
  below?: string;
  /** On a host of a network lab, for whoever is in the lab; this process itself has no way to it then. */
  place?: Place;
};

export interface Postgres extends AsyncDisposable {
  /** Of the database `postgres`. */
  readonly url: string;
  readonly port: number;
  /** The postmaster of this moment. */
  readonly pid: number;
  /** Makes a database, empty or a copy of the one at the URL `template` (to which nobody is connected); gives its URL. */
  createDatabase(options?: { name?: string; template?: string }): Promise<string>;
  /** Away until `start`: `fast` ends connections in order, `kill` is kill -9 of the postmaster and all it started. */
  stop(how?: 'fast' | 'kill'): Promise<void>;
  start(): Promise<void>;
}

class PrivatePostgres implements Postgres {
  readonly #folder: string;
  readonly #options: StartPostgresOptions;
  #child: Bun.Subprocess<'ignore', 'ignore', Bun.BunFile> | undefined;
  #databases = 0;
  port = 0;

  constructor(options: StartPostgresOptions) {
    this.#options = options;
    this.#folder = ownFolder(options.below ?? tmpdir());
    initialise(this.#folder);
  }

  get url(): string {
    return this.#urlOf('postgres');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get #address(): string {
    const { place } = this.#options;
    return place === undefined ? '127.0.0.1' : place.lab.address(place.host);
  }

  #urlOf = (database: string) => `postgresql://lab@${this.#address}:${this.port}/${database}`;

  async start(): Promise<void> {
    // Somebody may take the port between our look and PostgreSQL's: try another then. Once used it is kept.
    for (let attempt = 1; ; attempt++) {
      const first = this.#options.place === undefined ? await freePort() : placedPort;
      const port = this.port === 0 ? first : this.port;
      const problem = await this.#startOn(port);
      if (problem === undefined) {
        this.port = port;
        return;
      }
      if (attempt === 5) throw new Error(`PostgreSQL did not start: ${problem}`);
    }
  }

  async #startOn(port: number): Promise<string | undefined> {
    const logFile = join(this.#folder, 'log');
    const { place } = this.#options;
    const durable = this.#options.durable === true ? 'on' : 'off';
    const settings = {
      listen_addresses: this.#address,
      port: String(port),
      unix_socket_directories: this.#folder,
      fsync: durable,
      // What was told as written is in the system's hands: kill -9 of the server loses none of it.
      synchronous_commit: 'on',
      full_page_writes: durable,
      shared_buffers: '32MB',
      max_connections: '100',
      ...this.#options.settings,
    };
    const words = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    const command = [join(programs() ?? '', 'postgres'), '-D', join(this.#folder, 'data'), ...words];
    const own = asAccount(command);
    const child = Bun.spawn(place === undefined ? own : place.lab.command(place.host, own), {
      cwd: this.#folder,
      env: { PATH: process.env['PATH'] ?? '' },
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: Bun.file(logFile),
    });
    this.#child = child;
    const last = performance.now() + readyTimeoutMs;
    while (performance.now() < last && child.exitCode === null) {
      if (this.#isReady()) return undefined;
      await Bun.sleep(20);
    }
    child.kill('SIGKILL');
    await child.exited;
    return readFileSync(logFile, 'utf8').slice(-2_000);
  }

  /** The postmaster writes `ready` as eighth line of its pid file. */
  #isReady(): boolean {
    const file = join(this.#folder, 'data', 'postmaster.pid');
    if (!existsSync(file)) return false;
    const [pid, , , , , , , state] = readFileSync(file, 'utf8').split('\n');
    return Number(pid) === this.#child?.pid && state?.trim() === 'ready';
  }

  async stop(how: 'fast' | 'kill' = 'fast'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (how === 'kill') {
      const started = backendsOf(child.pid);
      child.kill('SIGKILL');
      for (const pid of started) killQuietly(pid);
    } else {
      child.kill('SIGINT');
    }
    await child.exited;
  }

  async createDatabase(options: { name?: string; template?: string } = {}): Promise<string> {
    const { name = `db_${++this.#databases}`, template } = options;
    const like = template === undefined ? 'template0' : new URL(template).pathname.slice(1);
    const client = new Bun.SQL(this.url, { max: 1 });
    try {
      await client.unsafe(`create database "${name}" template "${like}"`);
    } finally {
      await client.end();
    }
    return this.#urlOf(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Children of a process, from /proc. */
function backendsOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended meanwhile.
  }
}

/** Starts it and waits until it takes connections. @throws where `postgresAvailable` gives a reason. */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<Postgres> {
  const reason = postgresAvailable();
  if (reason !== undefined) throw new Error(`PostgreSQL ${reason}`);
  const postgres = new PrivatePostgres(options);
  try {
    await postgres.start();
    return postgres;
  } catch (error) {
    await postgres[Symbol.asyncDispose]();
    throw error;
  }
}
