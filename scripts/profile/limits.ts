import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { zstdCompressSync } from 'node:zlib'
import { compress, decompress } from '../../src/record/compression.ts'
import { crc32c } from '../../src/record/crc32c.ts'
import { CODEC } from '../../src/record/record.ts'
import { PAYLOAD_BYTES_MAX, writePayload } from '../../src/source/generator-payload.ts'

export interface Limit {
  readonly name: string
  readonly value: number
  readonly unit: string
}

/** Names of limits that figures are compared with. */
export const LIMIT = {
  compress: 'zstd, level 1, of meter values',
  decompress: 'zstd, decompressed',
  packed: 'bytes that zstd, level 1, leaves of one',
  sync: 'fdatasync of 4 KiB, p50',
  trip: 'round trip over loopback TCP, p50',
  pass: 'processor time to receive and send on over loopback TCP',
} as const

const COPY_BYTES = 64 * 2 ** 20
const SYNCS = 100
const TRIPS = 2_000
const LOOPS = 5
const BATCH_RECORDS = 1_000
const PASS_BYTES = 512 * 2 ** 20
const PASS_CHUNK_BYTES = 64 * 1024
const RELAY = fileURLToPath(new URL('./relay-child.ts', import.meta.url))

/** What the machine does where nothing of ours is in the way: memory, disk, loopback, compression, checksum. */
export async function measureLimits(folder: string): Promise<Limit[]> {
  const batch = plainBatch()
  const packed = compress('zstd', batch)
  const mbPerSecond = (bytes: number, seconds: number) => bytes / 1e6 / seconds
  const from = Buffer.alloc(COPY_BYTES, 1)
  const to = Buffer.alloc(COPY_BYTES)
  const rounds = Math.ceil(COPY_BYTES / batch.length)
  const repeat = (work: () => void) => () => {
    for (let round = 0; round < rounds; round++) work()
  }
  const bytes = rounds * batch.length
  const [sync50, sync99] = syncLatencies(folder)
  const [trip50, trip99] = await tripLatencies()
  return [
    {
      name: 'copy of memory',
      value: mbPerSecond(
        COPY_BYTES,
        best(() => from.copy(to)),
      ),
      unit: 'MB/s',
    },
    { name: 'CRC-32C', value: mbPerSecond(bytes, best(repeat(() => crc32c(batch)))), unit: 'MB/s' },
    {
      name: LIMIT.compress,
      value: mbPerSecond(bytes, best(repeat(() => compress('zstd', batch)))),
      unit: 'MB/s',
    },
    {
      name: 'zstd, level 3, of meter values',
      value: mbPerSecond(bytes, best(repeat(() => zstdCompressSync(batch)))),
      unit: 'MB/s',
    },
    {
      name: LIMIT.decompress,
      value: mbPerSecond(bytes, best(repeat(() => decompress(CODEC.zstd, packed, bytes)))),
      unit: 'MB/s',
    },
    { name: LIMIT.packed, value: packed.length / batch.length, unit: 'bytes per byte' },
    { name: LIMIT.sync, value: sync50, unit: 'ms' },
    { name: 'fdatasync of 4 KiB, p99', value: sync99, unit: 'ms' },
    { name: LIMIT.trip, value: trip50, unit: 'ms' },
    { name: 'round trip over loopback TCP, p99', value: trip99, unit: 'ms' },
    { name: LIMIT.pass, value: await passCost(), unit: 'CPU-s per GB' },
  ]
}

/** The shortest of a few goes, seconds: the one that others disturbed least. */
function best(work: () => void): number {
  let shortest = Number.POSITIVE_INFINITY
  for (let loop = 0; loop < LOOPS; loop++) {
    const fromMs = performance.now()
    work()
    shortest = Math.min(shortest, performance.now() - fromMs)
  }
  return shortest / 1_000
}

function plainBatch(): Buffer {
  const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
  const records = Array.from({ length: BATCH_RECORDS }, (_, number) =>
    Buffer.from(scratch.subarray(0, writePayload('meter', 1, number, 0, scratch, 0))),
  )
  return Buffer.concat(records)
}

function syncLatencies(folder: string): [number, number] {
  const path = join(folder, 'sync')
  const file = openSync(path, 'w')
  const page = Buffer.alloc(4_096, 1)
  const tookMs = Array.from({ length: SYNCS }, (_, at) => {
    const fromMs = performance.now()
    writeSync(file, page, 0, page.length, (at % 64) * page.length)
    fdatasyncSync(file)
    return performance.now() - fromMs
  })
  closeSync(file)
  unlinkSync(path)
  return percentiles(tookMs)
}

async function tripLatencies(): Promise<[number, number]> {
  const server = createServer(socket => {
    socket.setNoDelay(true)
    socket.pipe(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
  socket.setNoDelay(true)
  await new Promise<void>(resolve => socket.once('connect', () => resolve()))
  const tookMs: number[] = []
  for (let trip = 0; trip < TRIPS; trip++) tookMs.push(await tripMs(socket))
  socket.destroy()
  await new Promise<void>(resolve => server.close(() => resolve()))
  return percentiles(tookMs)
}

/** What a process that hands on all it receives takes of a processor: the relay's own share, measured in a process of its own. */
async function passCost(): Promise<number> {
  const relay = fork(RELAY, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [port] = (await once(relay, 'message')) as [number]
  const socket = connect(port, '127.0.0.1')
  const chunk = Buffer.alloc(PASS_CHUNK_BYTES, 1)
  let back = 0
  const all = new Promise<void>(resolve => {
    socket.on('data', data => {
      back += data.length
      if (back >= PASS_BYTES) resolve()
    })
  })
  for (let sent = 0; sent < PASS_BYTES; sent += chunk.length) {
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  await all
  relay.send('cost')
  const [seconds] = (await once(relay, 'message')) as [number]
  socket.destroy()
  const ended = once(relay, 'exit')
  relay.kill('SIGTERM')
  await ended
  return (seconds / PASS_BYTES) * 1e9
}

function tripMs(socket: Socket): Promise<number> {
  const fromMs = performance.now()
  return new Promise(resolve => {
    socket.once('data', () => resolve(performance.now() - fromMs))
    socket.write('x')
  })
}

function percentiles(values: readonly number[]): [number, number] {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor(part * sorted.length)] ?? Number.NaN
  return [at(0.5), at(0.99)]
}
