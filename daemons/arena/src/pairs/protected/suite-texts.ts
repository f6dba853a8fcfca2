import type { SuiteShelf } from '../../suites/suite-shelf.ts';

/**
 * The hidden cases of a tenant's suites, one text a case: what no version may hold (PD2, V20). Visible ones may stand in
 * prompts, so they may be learnt.
 * @throws SuiteRefused SUITE_UNREADABLE: unread, nobody knows what to leave out
 */
export async function* hiddenCaseTexts(shelf: SuiteShelf, tenant: string): AsyncGenerator<string> {
  for (const { id } of await shelf.list(tenant)) {
    const { suite } = (await shelf.get(tenant, id)) ?? {};
    for (const { args, expect, visible } of suite?.cases ?? []) {
      if (!visible) yield `${JSON.stringify(args)} ${JSON.stringify(expect)}`;
    }
  }
}
