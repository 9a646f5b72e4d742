import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts, killHard, until } from './family.testing.ts';

const run = promisify(execFile);

/** A store as a process of the test's own, which may be killed, paused and started again on the same files and port. */
export interface TestServer {
  readonly url: string;
  start(): Promise<void>;
  /** Signal 9 to the server's process; resolves when it is gone. */
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  dispose(): Promise<void>;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

/** Redis without persistence, as the product uses it: everything in it may vanish. */
export async function startRedis(dir: string): Promise<TestServer> {
  await mkdir(dir, { recursive: true });
  const [port] = (await freePorts(1)) as [number];
  return childServer(`redis://127.0.0.1:${port}`, port, () =>
    spawn(
      'redis-server',
      ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir],
      {
        stdio: 'ignore',
      },
    ),
  );
}

/** One Kafka broker in KRaft mode from jars in `libs`. Acknowledged by one replica: weaker than a cluster, and enough for kill −9. */
export async function startKafka(dir: string, libs: string): Promise<TestServer> {
  await mkdir(dir, { recursive: true });
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  const properties = join(dir, 'server.properties');
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(dir, 'logs'),
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
  };
  await writeFile(
    properties,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const classPath = join(libs, '*');
  const id = 'dHJpYnV0YXJ5LXRlc3RzLTE';
  await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', properties]);
  return childServer(`127.0.0.1:${port}`, port, () =>
    spawn('java', ['-Xmx512m', '-cp', classPath, 'kafka.Kafka', properties], { stdio: 'ignore', cwd: dir }),
  );
}

async function childServer(url: string, port: number, launch: () => ChildProcess): Promise<TestServer> {
  let child: ChildProcess | null = null;
  const start = async () => {
    child = launch();
    const launched = child;
    await until(async () => {
      if (launched.exitCode !== null) throw new Error(`the server of ${url} ended with ${launched.exitCode}`);
      return answers(port);
    }, 60_000);
  };
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    url,
    start,
    kill,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    dispose: kill,
  };
}

/** Postgres from Debian's package; its programs refuse to be root, so that root runs them as `postgres`. */
export async function startPostgres(dir: string, bin: string): Promise<TestServer> {
  const [port] = (await freePorts(1)) as [number];
  const data = join(dir, 'data');
  await mkdir(data, { recursive: true });
  const isRoot = process.getuid?.() === 0;
  const own = isRoot ? await idsOf('postgres') : null;
  if (own) {
    // A temporary folder is its maker's alone; the other user has to pass through it.
    for (const passed of [dirname(dir), dir]) await chmod(passed, 0o711);
    await chown(data, own.uid, own.gid);
  }
  const asOwner = (program: string, args: readonly string[]) =>
    run(join(bin, program), [...args], { ...(own ?? {}), cwd: data, env: { PATH: process.env['PATH'] ?? '' } });
  await asOwner('initdb', ['-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8']);
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${data} -c max_connections=100`;
  const pidOf = async () => Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  let pid = 0;
  const start = async () => {
    // A postmaster that was killed leaves its children for a moment, and the next one waits for their shared memory.
    await until(
      async () => {
        await asOwner('pg_ctl', ['-D', data, '-w', '-l', join(data, 'log'), '-o', options, 'start']);
        return true;
      },
      60_000,
      500,
    );
    pid = await pidOf();
  };
  await start();
  const kill = async () => {
    killHard(pid);
    await until(async () => isGone(pid), 10_000);
  };
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    start,
    kill,
    pause: () => void process.kill(pid, 'SIGSTOP'),
    resume: () => void process.kill(pid, 'SIGCONT'),
    dispose: kill,
  };
}

async function idsOf(user: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user ${user}`);
  return { uid: Number(uid), gid: Number(gid) };
}
