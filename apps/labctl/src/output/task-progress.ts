/**
 * Work of several steps, told on stderr as it goes (CT-7). On a terminal a list that is drawn over itself, with a
 * spinner at what runs; elsewhere a line at each change; with `--progress json` an object a line:
 *
 *     {"task":"web-1","state":"running","text":"copying","at":"2026-01-01T00:00:00.000Z"}
 */
import type { World } from '../command.ts';
import { paint } from '../terminal/paint.ts';
import { safeText } from '../terminal/safe-text.ts';
import { cutText } from '../terminal/table.ts';

export type ProgressMode = 'auto' | 'plain' | 'json' | 'none';
export type TaskState = 'waiting' | 'running' | 'done' | 'failed';
type Task = { state: TaskState; text: string };

export interface TaskProgress extends Disposable {
  /** Says how a task stands; the first word about a task puts it on the list. */
  set(task: string, state: TaskState, text?: string): void;
}

/** Tasks shown at once on a terminal: what is over first gives its place to what is not. */
const rowsMax = 12;
const frameMs = 100;
const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

type Part = Pick<World, 'stderr' | 'stderrIsTerminal' | 'colourErr' | 'columns' | 'clock'>;

const line = (name: string, { text }: Task) => safeText(text === '' ? name : `${name}: ${text}`);

function plainProgress(world: Part): TaskProgress {
  const said = new Map<string, string>();
  return {
    set: (name, state, text = '') => {
      // A log wants each step once, not each number of it.
      const step = `${state} ${text.replace(/\d+ ?%/, '')}`;
      if (said.get(name) === step) return;
      said.set(name, step);
      world.stderr(`${line(name, { state, text: text === '' ? state : text })}\n`);
    },
    [Symbol.dispose]: () => {},
  };
}

function jsonProgress(world: Part): TaskProgress {
  return {
    set: (task, state, text = '') => {
      const at = new Date(world.clock.wall()).toISOString();
      world.stderr(`${JSON.stringify({ task, state, ...(text !== '' && { text }), at })}\n`);
    },
    [Symbol.dispose]: () => {},
  };
}

class DrawnProgress implements TaskProgress {
  readonly #world: Part;
  readonly #tasks = new Map<string, Task>();
  readonly #timer: ReturnType<typeof setInterval>;
  #frame = 0;
  #drawn = 0;

  constructor(world: Part) {
    this.#world = world;
    this.#timer = setInterval(() => this.#draw(), frameMs);
    this.#timer.unref();
  }

  set(name: string, state: TaskState, text = ''): void {
    this.#tasks.set(name, { state, text });
    this.#draw();
  }

  #rows(): string[] {
    const { green, red, dim } = paint(this.#world.colourErr);
    const marks: Record<TaskState, string> = {
      waiting: dim('·'),
      running: frames[this.#frame++ % frames.length] ?? '',
      done: green('✓'),
      failed: red('✗'),
    };
    const rank: Record<TaskState, number> = { failed: 0, running: 1, waiting: 2, done: 3 };
    const all = [...this.#tasks];
    const kept = new Set(all.toSorted((a, b) => rank[a[1].state] - rank[b[1].state]).slice(0, rowsMax));
    const columns = Math.max(20, (this.#world.columns ?? 80) - 1);
    const rows = all.filter((one) => kept.has(one));
    const lines = rows.map(([name, task]) => `${marks[task.state]} ${cutText(line(name, task), columns - 2)}`);
    const hidden = all.length - rows.length;
    return hidden === 0 ? lines : [...lines, dim(`… and ${hidden} more`)];
  }

  #draw(): void {
    const lines = this.#rows();
    this.#world.stderr(`${this.#erase()}${lines.map((text) => `${text}\n`).join('')}`);
    this.#drawn = lines.length;
  }

  /** Back to the first line of the list, and everything below it gone. */
  #erase(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r\u001b[J`;
  }

  /** Leaves the list as it ended: what failed should still be read. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#tasks.size > 0) this.#draw();
  }
}

/** `quiet`: nothing at all, as with mode none. */
export function startTasks(world: Part, mode: ProgressMode, quiet = false): TaskProgress {
  if (mode === 'none' || quiet) return { set: () => {}, [Symbol.dispose]: () => {} };
  if (mode === 'json') return jsonProgress(world);
  return mode === 'auto' && world.stderrIsTerminal ? new DrawnProgress(world) : plainProgress(world);
}
