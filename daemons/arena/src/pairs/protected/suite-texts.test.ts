import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '@labmesh/store/open-store';
import { suiteSchema } from '@labmesh/wire/verification/suite';
import { openSuiteSealer } from '../../suites/suite-sealer.ts';
import { SuiteShelf } from '../../suites/suite-shelf.ts';
import { hiddenCaseTexts } from './suite-texts.ts';

test('hidden cases of all suites of one tenant', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'suite-texts-'));
  await using store = await openStore({ url: 'sqlite::memory:' });
  const shelf = new SuiteShelf(store, openSuiteSealer(folder));
  const suite = (id: string, cases: object[]) => suiteSchema.parse({ id, language: 'python', entry: 'f', cases });
  await shelf.put(
    'acme',
    suite('one', [
      { args: [1, 'a'], expect: { b: 2 } },
      { args: [9], expect: 9, visible: true },
    ]),
    'k',
  );
  await shelf.put('acme', suite('two', [{ args: [], expect: null }]), 'k');
  await shelf.put('other', suite('one', [{ args: ['theirs'], expect: 1 }]), 'k');
  expect(await Array.fromAsync(hiddenCaseTexts(shelf, 'acme'))).toEqual(['[1,"a"] {"b":2}', '[] null']);
  rmSync(folder, { recursive: true });
});
