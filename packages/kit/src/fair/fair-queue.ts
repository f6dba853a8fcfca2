/**
 * A queue in which groups (tenants) get equal shares of some places, however much each of them asks for. Whose turn it is:
 *
 *     1. the highest class: a priority, and one more for each `ageMs` in which the group waited and held no place
 *     2. among those the group that holds the fewest places
 *     3. among those the group whose last turn, or whose arrival, is longest ago
 *
 * So of one class no group gets a place while another that waits holds fewer, and one that holds none waits for at most one
 * turn of each other. Only what a group waits for others makes it older: who waits behind its own work is no victim.
 * Inside a group age counts from the arrival of each entry; the oldest of equals is first.
 *
 * What runs is never ended for another, so long work in all places would keep out whoever comes one job at a time. Therefore
 * the last place that is free is not for a group that holds some, while another of its class was here in the last `keepMs`
 * and holds none: that one finds it open. A group that has been alone for that long gets every place.
 */
import { BoundPassed } from '../bounded-queue.ts';
import { RecentGroups } from './recent-groups.ts';

export type FairEntry = {
  readonly group: string;
  /** Higher is sooner. */
  readonly priority: number;
  /** Clock ms at which it came. */
  readonly since: number;
};

export type FairBounds = {
  /** The bound's name in errors; that of one group is `<name>_per_group`. */
  name: string;
  max: number;
  groupMax: number;
  ageMs: number;
  /** How many there are; with one or none known, none is kept open. */
  places: number;
  keepMs: number;
};

/** Entries of one priority in the order of arrival, each with the turn in which it came. */
type Lane<T> = Map<T, number>;

/** Known while it waits or holds a place: who comes back after both is as good as new. */
type Group<T> = {
  name: string;
  /** By priority; none is empty. */
  lanes: Map<number, Lane<T>>;
  waiting: number;
  held: number;
  /** Of what it began last. */
  priority: number;
  /** When it last took or gave back a place, in turns. */
  turn: number;
  /** Clock ms at which it gave back its last place. */
  freedAt: number;
};

/** What a group enters the choice with. */
type Claim<T> = { group: Group<T>; rank: number; turn: number };

export class FairQueue<T extends FairEntry> {
  readonly #bounds: FairBounds;
  readonly #groups = new Map<string, Group<T>>();
  readonly #recent: RecentGroups;
  #size = 0;
  #held = 0;
  #turns = 0;

  constructor(bounds: FairBounds) {
    this.#bounds = bounds;
    this.#recent = new RecentGroups(bounds.keepMs);
  }

  /** Entries that wait. */
  get size(): number {
    return this.#size;
  }

  /** How many more of this group may wait. */
  room(group: string): number {
    const { max, groupMax } = this.#bounds;
    return Math.min(max - this.#size, groupMax - (this.#groups.get(group)?.waiting ?? 0));
  }

  /** @throws BoundPassed when as many wait as may, of this group or of all */
  push(entry: T): void {
    const { name, max, groupMax } = this.#bounds;
    if (this.#size >= max) throw new BoundPassed(name, max);
    if ((this.#groups.get(entry.group)?.waiting ?? 0) >= groupMax) throw new BoundPassed(`${name}_per_group`, groupMax);
    const group = this.#groupOf(entry.group);
    let lane = group.lanes.get(entry.priority);
    if (lane === undefined) group.lanes.set(entry.priority, (lane = new Map()));
    lane.set(entry, ++this.#turns);
    group.waiting++;
    this.#size++;
  }

  /** Whether a place that is free is for this group too; who waits already goes first. */
  isOpenTo({ group, priority }: Pick<FairEntry, 'group' | 'priority'>, now: number): boolean {
    return this.#isOpenTo(group, this.#groups.get(group)?.held ?? 0, priority, now);
  }

  /**
   * Takes the next out, of those that meet the condition; undefined when no place is for any of them. It holds none until
   * `hold` says so.
   */
  shift(now: number, condition?: (entry: T) => boolean): T | undefined {
    let best: Claim<T> | undefined;
    for (const group of this.#groups.values()) {
      const claim = this.#claim(group, now, condition);
      if (claim === undefined || !this.#isOpenTo(group.name, group.held, claim.rank, now)) continue;
      if (best === undefined || isBefore(claim, best)) best = claim;
    }
    const entry = best && this.#first(best.group, now, condition);
    if (entry !== undefined) this.remove(entry);
    return entry;
  }

  /** Takes an entry out, wherever it stands; false when it does not wait. */
  remove(entry: T): boolean {
    const group = this.#groups.get(entry.group);
    const lane = group?.lanes.get(entry.priority);
    if (group === undefined || lane?.delete(entry) !== true) return false;
    if (lane.size === 0) group.lanes.delete(entry.priority);
    group.waiting--;
    this.#size--;
    this.#forget(group);
    return true;
  }

  /** Takes out those that meet the condition. */
  take(condition: (entry: T) => boolean): T[] {
    const lanes = [...this.#groups.values()].flatMap((group) => [...group.lanes.values()]);
    return lanes.flatMap((lane) => [...lane.keys()].filter(condition)).filter((entry) => this.remove(entry));
  }

  /** A place is the group's from now on, whether its entry waited or not. */
  hold({ group: name, priority }: Pick<FairEntry, 'group' | 'priority'>): void {
    const group = this.#groupOf(name);
    this.#held++;
    group.held++;
    group.priority = priority;
    group.turn = ++this.#turns;
  }

  /** The group gives back a place that it held. */
  free(name: string, now: number): void {
    const group = this.#groups.get(name);
    if (group === undefined || group.held === 0) throw new RangeError('a group gave back more places than it held');
    this.#held--;
    group.held--;
    if (group.held === 0) {
      this.#recent.left(name, group.priority, now);
      group.turn = ++this.#turns;
      group.freedAt = now;
    }
    this.#forget(group);
  }

  #groupOf(name: string): Group<T> {
    let group = this.#groups.get(name);
    if (group !== undefined) return group;
    group = { name, lanes: new Map(), waiting: 0, held: 0, priority: 0, turn: 0, freedAt: -Infinity };
    this.#groups.set(name, group);
    return group;
  }

  #forget({ name, waiting, held }: Group<T>): void {
    if (waiting === 0 && held === 0) this.#groups.delete(name);
  }

  #isOpenTo(name: string, held: number, rank: number, now: number): boolean {
    const { places } = this.#bounds;
    if (held === 0 || places < 2 || places - this.#held > 1) return true;
    return !this.#recent.some(rank, now, (other) => other !== name && (this.#groups.get(other)?.held ?? 0) === 0);
  }

  /** The best that any entry of a group makes of it. Of one priority nobody is older than the first. */
  #claim(group: Group<T>, now: number, condition?: (entry: T) => boolean): Claim<T> | undefined {
    let best: Claim<T> | undefined;
    for (const [priority, lane] of group.lanes) {
      const first = firstOf(lane, condition);
      if (first === undefined) continue;
      const [entry, turn] = first;
      const waitedMs = group.held > 0 ? 0 : now - Math.max(entry.since, group.freedAt);
      const claim = { group, rank: priority + this.#classes(waitedMs), turn: Math.max(turn, group.turn) };
      if (best === undefined || isBefore(claim, best)) best = claim;
    }
    return best;
  }

  /** The entry of a group that goes first. */
  #first(group: Group<T>, now: number, condition?: (entry: T) => boolean): T | undefined {
    let best: { entry: T; rank: number; turn: number } | undefined;
    for (const [priority, lane] of group.lanes) {
      const first = firstOf(lane, condition);
      if (first === undefined) continue;
      const [entry, turn] = first;
      const rank = priority + this.#classes(now - entry.since);
      if (best === undefined || rank > best.rank || (rank === best.rank && turn < best.turn)) {
        best = { entry, rank, turn };
      }
    }
    return best?.entry;
  }

  /** Classes that a wait is worth. */
  #classes(waitedMs: number): number {
    return Math.max(0, Math.floor(waitedMs / this.#bounds.ageMs));
  }
}

/** The first of a lane that meets the condition, without a look at those behind it. */
function firstOf<T>(
  lane: Lane<T>,
  condition: ((entry: T) => boolean) | undefined,
): [entry: T, turn: number] | undefined {
  for (const first of lane) if (condition === undefined || condition(first[0])) return first;
  return undefined;
}

function isBefore<T>(a: Claim<T>, b: Claim<T>): boolean {
  if (a.rank !== b.rank) return a.rank > b.rank;
  if (a.group.held !== b.group.held) return a.group.held < b.group.held;
  return a.turn < b.turn;
}
