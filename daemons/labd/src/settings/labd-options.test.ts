import { expect, test } from 'bun:test';
import { parseConfig } from '@labmesh/kit/config-file';
import { parseOptions } from '@labmesh/kit/options';
import { labdOptions } from './labd-options.ts';

/** The table of the fleet plane's specification, key by key, with each default as it stands there. */
const documented = `
[labd]
listen = "127.0.0.1:3100"
agent_listen = "127.0.0.1:3101"
admin_socket = "/run/labmesh/labd.sock"
metrics_listen = "127.0.0.1:9090"
replica_id = "01890a5d-ac96-774b-bcce-b302099a8057"
public_url = "https://labd.test"
agent_url = "https://labd.test:3101"
peer_url = "https://labd.test:3101"
data_dir = "/var/lib/labmesh/labd"
tls_cert_file = "cert.pem"
tls_key_file = "key.pem"
allowed_origins = []
trusted_proxies = []
shutdown_grace = "20s"
shutdown_force = "30s"
[database]
url = "sqlite:///var/lib/labmesh/labd/labd.db"
[redis]
url = "redis://localhost"
[ca]
trust_domain = "labmesh.internal"
dns_suffixes = []
root_mode = "local"
root_ttl = "10y"
intermediate_ttl = "1y"
backdate = "5m"
agent_ttl = "24h"
user_ttl = "12h"
service_ttl = "24h"
labd_ttl = "7d"
expired_grace = "30d"
reenrol = "auto"
[login]
methods = ["token", "password"]
max_age = "7d"
[login.oidc]
issuer = "https://id.test"
client_id = "labmesh"
client_secret_file = "secret"
groups_claim = "groups"
[secrets]
key_file = "kek.key"
[audit]
commit_wait = "20ms"
commit_rows = 100
queue_max = 10000
write_timeout = "2s"
retention = "400d"
checkpoint_every = "60s"
sinks = []
[exec]
orphan_ttl = "5m"
detached_ttl = "24h"
kill_after = "5s"
drain = "2s"
per_user_max = 100
per_server_max = 64
per_replica_max = 2000
[recordings]
url = "file:/var/lib/labmesh/labd/recordings"
input = false
tty_bytes_max = "256MiB"
pipe_bytes_max = "8MiB"
retention = "90d"
[hub]
heartbeat = "10s"
agents_max = 10000
channels_max = 256
window = "256KiB"
window_max = "4MiB"
frame_max = "64KiB"
accepts_per_s = 100
socket_buffer_max = "1MiB"
[limits]
anonymous_per_min = 100
enrol_per_min = 10
tokens_per_min = 20
login_per_min = 10
principal_per_min = 1200
exec_per_min = 600
body = "1MiB"
page_max = 500
`;

/** Keys without a default of their own: an example stands above. */
const examples = new Set([
  'replicaId',
  'publicUrl',
  'agentUrl',
  'peerUrl',
  'tlsCertFile',
  'tlsKeyFile',
  'databaseUrl',
  'redisUrl',
  'oidcIssuer',
  'oidcClientId',
  'oidcClientSecretFile',
  'kekFile',
  'recordingsUrl',
]);

test('LD-9 every documented key is known, and its default is the documented one', () => {
  const file = { ...parseConfig('labmesh.toml', documented), known: [] };
  const { values, sources } = parseOptions(labdOptions, { file });
  const usual = parseOptions(labdOptions, {}).values;
  const given = Object.keys(labdOptions).filter((key) =>
    sources[key as keyof typeof sources].startsWith('labmesh.toml'),
  );
  const plain = given.filter((key) => !examples.has(key)) as (keyof typeof values)[];
  expect(plain.length).toBeGreaterThan(50);
  for (const key of plain) expect([key, values[key]]).toEqual([key, usual[key]]);
  expect([...examples].filter((key) => !given.includes(key))).toEqual([]);
});
