/**
 * Faults on order, for tests (ST-3, ST-6): a plan is asked before each statement of a write transaction and before its
 * commit, and may name the error to be thrown there instead. Transactions that have effects outside show at once.
 */
export type FaultPoint = {
  /** 1 for the first run of the transaction. */
  attempt: number;
  /** Number of the statement in this run, from 1; the commit counts as one more. */
  statement: number;
  commit: boolean;
};
export type FaultPlan = (at: FaultPoint) => Error | undefined;

/** A serialization failure that no database sent; the retry does not wait after it. */
export class InjectedConflict extends Error {
  readonly code = '40001';
  constructor() {
    super('injected serialization failure');
    this.name = 'InjectedConflict';
  }
}

/** Runs each write transaction twice: the first run is rolled back when it wants to commit. */
export const twice: FaultPlan = ({ attempt, commit }) => (commit && attempt === 1 ? new InjectedConflict() : undefined);

/**
 * Run n fails at its n-th statement, the one after the last statement at the commit. Of longer transactions the first
 * six statements and the commit fail, since there are eight tries.
 */
export const atEveryStatement: FaultPlan = ({ attempt, statement, commit }) =>
  (attempt === 7 ? commit : statement === attempt && attempt < 7) ? new InjectedConflict() : undefined;

export type InjectFaults = 'twice' | 'every-statement' | FaultPlan;

export function faultPlan(inject: InjectFaults | undefined): FaultPlan | undefined {
  if (inject === 'twice') return twice;
  return inject === 'every-statement' ? atEveryStatement : inject;
}
