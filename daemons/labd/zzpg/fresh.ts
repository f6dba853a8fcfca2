import pg from 'pg';
let n = 0;
export async function fresh(): Promise<string> {
  const c = new pg.Client({ host: '/tmp/access/pg', port: 54999, user: 'root', database: 'postgres' });
  await c.connect(); const name = `t_${process.pid}_${Date.now()}_${++n}`; await c.query(`create database ${name}`); await c.end();
  return `postgresql://root@/${name}?host=/tmp/access/pg&port=54999`;
}
