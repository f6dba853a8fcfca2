/** Columns of the gateway's API keys and aliases (CT-6). */
import type { KeyRow, ServedModel } from '@labmesh/wire/admin';
import { ago } from '../terminal/span.ts';
import type { View } from './column.ts';

/** Revoked keys stay in the list: what was used with them is on the books. */
export const keyView: View<KeyRow> = {
  name: ({ id }) => `key/${id}`,
  columns: [
    { header: 'ID', value: ({ id }) => id },
    { header: 'STATE', value: ({ revokedAt }) => (revokedAt === undefined ? 'active' : 'revoked'), state: true },
    { header: 'NAME', value: ({ name }) => name },
    { header: 'TENANT', value: ({ tenant }) => tenant },
    { header: 'REQUESTS', value: ({ requests }) => requests },
    { header: 'LAST USED', value: ({ lastUsedAt }, now) => ago(lastUsedAt, now) },
    { header: 'CREATED', value: ({ createdAt }, now) => ago(createdAt, now), wide: true },
    { header: 'TOKENS IN', value: ({ promptTokens }) => promptTokens, wide: true },
    { header: 'TOKENS OUT', value: ({ completionTokens }) => completionTokens, wide: true },
    { header: 'VERIFICATION', value: ({ verification }) => verification, wide: true },
    { header: 'VARIATIONS', value: ({ variations }) => variations, wide: true },
    { header: 'SCOPES', value: ({ scopes }) => scopes.join(' '), wide: true },
  ],
};

export const aliasView: View<ServedModel> = {
  name: ({ id }) => `alias/${id}`,
  columns: [
    { header: 'NAME', value: ({ id }) => id },
    { header: 'STATE', value: ({ endpoints }) => (endpoints.length === 0 ? 'offline' : 'online'), state: true },
    { header: 'MODEL', value: ({ target }) => target },
    { header: 'ENDPOINTS', value: ({ endpoints }) => endpoints.join(' ') },
    { header: 'CONTEXT', value: ({ contextLength }) => contextLength, wide: true },
  ],
};
