/**
 * What stands before an arena in stories without a gateway: as the gateway does, the key says whose request it is. `key-b` is
 * globex's, every other one acme's. `arenaUrl` is asked with each request, since an arena may start again elsewhere.
 */
export function openArenaDoor(token: string, arenaUrl: () => string) {
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = new Headers(request.headers);
      const key = headers.get('authorization')?.replace('Bearer ', '') ?? '';
      headers.set('authorization', `Bearer ${token}`);
      headers.set('x-labmesh-tenant', key === 'key-b' ? 'globex' : 'acme');
      headers.set('x-labmesh-key', key);
      return fetch(`${arenaUrl()}${pathname}${search}`, { method: request.method, headers, body: request.body });
    },
  });
}
