import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, StartedProcess } from '../started-process.ts';
import type { Target, TargetSetup } from './target.ts';

/** The limit: the cheapest relay in wide use, doing nothing but relaying. Throws Error when nginx is not installed. */
export async function startNginx(setup: TargetSetup, owned: AsyncDisposableStack): Promise<Target> {
  const binary = Bun.which('nginx') ?? Bun.which('/usr/sbin/nginx');
  if (binary === null) throw new Error('nginx is not installed');
  const port = freePort();
  const path = join(setup.folder, 'nginx.conf');
  writeFileSync(path, nginxConfig(setup, port));
  const command = [binary, '-p', setup.folder, '-c', path, '-e', join(setup.folder, 'nginx-error.log')];
  const started = owned.use(new StartedProcess({ name: 'nginx', command, core: setup.core, folder: setup.folder }));
  await started.listening(port);
  const version = Bun.spawnSync([binary, '-v']).stderr.toString().trim().replace(/^.*\//, '');
  return {
    name: 'nginx',
    url: `http://127.0.0.1:${port}/v1`,
    headers: [],
    model: 'bench-model',
    process: started,
    version,
  };
}

/** One worker, kept-alive upstream connections, no buffering (an SSE event must leave when it came), no access log. */
function nginxConfig({ folder, upstreamPort }: TargetSetup, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/nginx-${name};`,
  );
  return `
daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`;
}
