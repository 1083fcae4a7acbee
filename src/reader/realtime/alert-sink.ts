import { spawn } from 'node:child_process'
import type { Log } from '../../log/log.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { sourceKey } from '../../runtime/names.ts'
import { signalGroup } from '../../runtime/process-group.ts'
import type { OutgoingAlert } from './state-entry.ts'

/** A command that takes longer has failed, and is tried again. */
const DELIVERY_LIMIT_MS = 30_000

/** Where alerts go. `deliver` resolves when the receiver has said that it has it, and rejects otherwise: it is tried again. */
/** How long a stop waits for a sink to say that it has what it is just told, ms. What it does not say is kept, and told again. */
export const SINK_STOP_LIMIT_MS = 2_000

export interface AlertSink {
  deliver(alert: OutgoingAlert): Promise<void>
  /** Lets go of what it holds open. */
  close?(): void
}

export function commandSink(
  run: readonly string[],
  folder: string,
  limitMs: number = DELIVERY_LIMIT_MS,
): AlertSink & { close(): void } {
  const running = new Set<number>()
  return {
    /** A command that is not waited for any more must not outlive this process. */
    close: () => {
      for (const pid of running) signalGroup(pid, 'SIGKILL')
    },
    deliver: ({ key, json }) =>
      new Promise((resolve, reject) => {
        const [file = '', ...args] = run
        const child = spawn(file, args, {
          cwd: folder,
          env: { ...process.env, HEADRACE_ALERT_KEY: key },
          stdio: ['pipe', 'ignore', 'inherit'],
          // A group of its own: what a script waits for would outlive it otherwise, and one more of it with each try.
          detached: true,
        })
        const { pid } = child
        if (pid !== undefined) running.add(pid)
        let isLate = false
        const limit = setTimeout(() => {
          isLate = true
          signalGroup(pid, 'SIGKILL')
        }, limitMs)
        const failed = (how: string) => reject(new HeadraceError('command_failed', `the alert command ${file} ${how}`))
        child.once('close', () => {
          clearTimeout(limit)
          if (pid !== undefined) running.delete(pid)
        })
        child.on('error', cause => failed(`could not be started: ${cause.message}`))
        child.on('close', (code, signal) =>
          code === 0
            ? resolve()
            : failed(
                isLate
                  ? `took longer than ${limitMs / 1_000} s`
                  : signal
                    ? `was ended by ${signal}`
                    : `ended with exit code ${code}`,
              ),
        )
        // A command that does not read its input is none of our trouble: its exit code tells.
        child.stdin.on('error', () => {})
        child.stdin.end(`${json}\n`)
      }),
  }
}

/** Writes alerts to a partition of the analyser's own, with the core's name as the gateway's, through the same registry and with the same checks as any source's records. */
export function topicSink(log: Log, topic: string, core: string): AlertSink {
  const writer = new BatchWriter()
  let turn: Promise<void> = Promise.resolve()
  return {
    /** One at a time: two analysers of one name share a partition. */
    deliver(alert) {
      const result = turn.then(() => write(alert))
      turn = result.catch(() => {})
      return result
    },
  }
  async function write({ key, analyser, json, timeMs }: OutgoingAlert): Promise<void> {
    const source = { gateway: core, source: analyser }
    const claim = await log.claim(source, topic)
    const end = await log.end(claim)
    if (end.next > end.first && (await hasKey(log, claim, end.next, key))) return
    const { producerId, epoch, epochStart } = claim
    writer.begin({ key: sourceKey(source), producerId, epoch, epochStart, sequence: end.next })
    const value = Buffer.from(json)
    writer.append(timeMs, value, 0, value.length)
    const appended = await log.append(claim, writer.finish('none'), end.proof)
    if (appended.outcome !== 'appended' && appended.outcome !== 'repeated') {
      throw new HeadraceError('log_unavailable', `the alert could not be written to ${topic}: ${appended.detail}`)
    }
  }
}

/** Whether the last batch holds the alert: it was written, and the process ended before that was kept. */
async function hasKey(log: Log, place: { topic: string; partition: number }, next: number, key: string): Promise<boolean> {
  const [fetched] = await log.fetch([{ topic: place.topic, partition: place.partition, from: next - 1 }], {
    maxBytes: 1,
    waitMs: 0,
  })
  return (fetched?.batches ?? []).some(batch =>
    decodeBatch(batch).some(
      record => record.value !== null && (JSON.parse(record.value.toString('utf8')) as { key?: string }).key === key,
    ),
  )
}
