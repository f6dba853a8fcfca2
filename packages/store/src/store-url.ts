import { StoreStartError } from './store-errors.ts';

const sqliteScheme = 'sqlite://';

type StorePlace = { engine: 'memory' } | { engine: 'sqlite'; path: string } | { engine: 'postgres'; url: string };

/** What a store's URL names (ST-1). @throws StoreStartError STORE_URL_INVALID (exit 3) */
export function storePlace(url: string): StorePlace {
  if (url === 'sqlite::memory:') return { engine: 'memory' };
  if (url.startsWith(`${sqliteScheme}/`)) return { engine: 'sqlite', path: url.slice(sqliteScheme.length) };
  if (/^postgres(ql)?:\/\//.test(url)) return { engine: 'postgres', url };
  // The text may hold a password, so it is not shown.
  const scheme = /^[a-z0-9+.-]{1,20}(?=:)/i.exec(url)?.[0] ?? 'none';
  const expected = 'sqlite:///absolute/path, sqlite::memory: or postgresql://…';
  throw new StoreStartError('STORE_URL_INVALID', `database.url: expected ${expected}, found scheme ${scheme}`);
}
