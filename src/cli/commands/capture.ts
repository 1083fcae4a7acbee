import { once } from 'node:events'
import { closeSync, openSync, writeSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { controlStream } from '../../console/control-client.ts'
import { pause, systemClock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { parseSourceKey } from '../../runtime/names.ts'
import { parseDurationMs, parseSizeBytes, sizeText } from '../../runtime/units.ts'
import type { CaptureHead, CaptureItem } from '../../source/capture.ts'
import { durationOption } from '../arguments.ts'
import { print, remark } from '../output.ts'
import { controlOf, type WhereOptions } from '../where.ts'

const STANDARD_OUTPUT = '-'

export function captureCommand(): Command {
  return new Command('capture')
    .description('Records the bytes of a source as they come, with their timing, into a file.')
    .argument('<source>', '<gateway>/<source>, or its name alone')
    .requiredOption('-o, --output <file>', 'where to; it must not be there yet; - for the standard output')
    .option('--for <duration>', 'how long; until Ctrl-C unless set', durationArgument)
    .addOption(
      new Option('--max-size <size>', 'how large the file may become').argParser(sizeArgument).default(16 * 2 ** 20, '16MiB'),
    )
    .option('--config <file>', 'edge.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace capture meter-1 -o meter-1.capture --for 10m\n  headrace capture meter-1 -o - | head -3',
    )
    .action(async (source: string, options: WhereOptions & { output: string; for?: number; maxSize: number }) => {
      const path = controlOf(options, 'edge')
      const ended = new AbortController()
      process.once('SIGINT', () => ended.abort())
      process.once('SIGTERM', () => ended.abort())
      const limit = options.for === undefined ? undefined : systemClock.after(options.for, () => ended.abort())
      const name = parseSourceKey(source)?.source ?? source
      const items = controlStream<CaptureHead | CaptureItem>(path, 'source.capture', { source: name }, ended.signal)
      let file: Written | undefined
      let bytes = 0
      let reads = 0
      try {
        for await (const item of items) {
          const line = `${JSON.stringify(item)}\n`
          if (bytes + line.length > options.maxSize) {
            process.stderr.write(`headrace: the capture ends here: it has ${sizeText(options.maxSize)}\n`)
            break
          }
          file ??= options.output === STANDARD_OUTPUT ? standardOutput : create(options.output)
          await file.write(line)
          bytes += Buffer.byteLength(line)
          if ('base64' in item) reads += 1
        }
      } finally {
        limit?.cancel()
        ended.abort()
        file?.close()
      }
      const said = `${reads} reads in ${options.output === STANDARD_OUTPUT ? 'all' : options.output}`
      if (options.output === STANDARD_OUTPUT) remark(said)
      else print(said)
    })
}

/** Where a capture goes. */
interface Written {
  write(line: string): void | Promise<void>
  close(): void
}

const standardOutput: Written = {
  write: async line => {
    if (!process.stdout.write(line)) await once(process.stdout, 'drain')
  },
  close: () => {},
}

/** Made once there is something to write, so that a source that is not there leaves no file. */
function create(path: string): Written {
  try {
    const file = openSync(path, 'wx', 0o640)
    return { write: line => void writeSync(file, line), close: () => closeSync(file) }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new HeadraceError('config_invalid', `${path} is there already`, { advice: 'Name a file that is not.', cause })
  }
}

export function replayCaptureCommand(): Command {
  return new Command('replay-capture')
    .description('Plays a capture through a pipeline, or out of a pseudo terminal.')
    .argument('<file>', 'made by "headrace capture"')
    .option('--pipeline <file>', 'prints the records that its source makes of it')
    .option('--source <name>', 'which source of the pipeline; that of the capture, or the only one, unless set')
    .option('--link <path>', 'instead: a pseudo terminal at this path plays it')
    .option('--speed <factor>', '1 as it was, 0 as fast as it can be; 0 with --pipeline, 1 with --link unless set', speedArgument)
    .addOption(
      durationOption(
        '--wait <duration>',
        'how long before the first byte, for whoever reads to open the port',
        durationArgument,
        5_000,
      ),
    )
    .addOption(durationOption('--hold <duration>', 'how long the port stays after the last byte', durationArgument, 1_000))
    .addHelpText(
      'after',
      '\nExamples:\n  headrace replay-capture meter-1.capture --pipeline p.yaml\n  headrace replay-capture meter-1.capture --link /tmp/meter-1',
    )
    .action(
      async (
        file: string,
        options: { pipeline?: string; source?: string; link?: string; speed?: number; wait: number; hold: number },
        command: Command,
      ) => {
        const { pipeline, source, link, speed } = options
        if ((pipeline === undefined) === (link === undefined))
          command.error('error: name either --pipeline or --link', { exitCode: 2 })
        const { readCapture } = await import('../capture-file.ts')
        const { replayIntoPipeline, replayIntoPty } = await import('../replay-capture.ts')
        const capture = readCapture(file)
        if (pipeline !== undefined) {
          const named = source === undefined ? {} : { source }
          const status = await replayIntoPipeline(capture, {
            file: pipeline,
            ...named,
            speed: speed ?? 0,
            onSource: name =>
              process.stderr.write(`headrace: a capture of ${capture.head.source}, played into "${name}" of ${pipeline}\n`),
            onRecord: ({ timeMs, value, headers }) => print(JSON.stringify({ time_ms: timeMs, ...readable(value), headers })),
          })
          process.stderr.write(
            `${JSON.stringify({ read: status.read, decode_errors: status.decode_errors, trouble: status.trouble, steps: status.steps })}\n`,
          )
          return
        }
        await replayIntoPty(capture, {
          ...(link !== undefined && { link }),
          speed: speed ?? 1,
          holdMs: options.hold,
          onOpen: async path => {
            print(`playing at ${path}`)
            await pause(systemClock, options.wait)
          },
        })
        print('played')
      },
    )
}

function readable(value: Buffer): object {
  const text = value.toString('utf8')
  if (!Buffer.from(text).equals(value)) return { value_base64: value.toString('base64') }
  try {
    const parsed: unknown = JSON.parse(text)
    return { value: typeof parsed === 'object' ? parsed : text }
  } catch {
    return { value: text }
  }
}

function durationArgument(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Write a duration such as 10m.')
  return ms
}

function sizeArgument(text: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes === undefined || bytes < 1_024 || bytes > 2 ** 30)
    throw new InvalidArgumentError('Write a size such as 16MiB, at most 1GiB.')
  return bytes
}

function speedArgument(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1_000))
    throw new InvalidArgumentError('Write 0, 1, or another factor up to 1000.')
  return value
}
