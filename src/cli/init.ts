import { existsSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { gatewayNames } from '../config/gateway-profile.ts'
import { loadAny } from '../config/load.ts'
import { amqpUrl } from '../runtime/addresses.ts'
import { makeFolder } from '../runtime/durable-folder.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { NAME_PATTERN, NAME_RULE } from '../runtime/names.ts'
import { probePort } from '../source/probe.ts'
import { listSerialPorts } from '../source/serial-ports.ts'
import { yamlOf } from './commands/devices.ts'
import { gatewayName } from './commands/up.ts'

/** So many wrong answers to one question, and it is given up: nobody may be there. */
const ATTEMPTS_MAX = 5
const NONE = 'none'

/** What was said on the command line; what is missing is asked, or has its default where nobody can be asked. */
export interface InitAnswers {
  readonly gateway?: string
  /** Address of the core; `none`: everything on this machine. */
  readonly core?: string
  readonly hardware?: string
  readonly pipeline?: string
  /** A serial port to listen on, or `none`. */
  readonly port?: string
  readonly listenMs: number
  /** Whether a silent device may be asked. */
  readonly mayAsk?: true
}

export interface Dialogue {
  /** Absent where nobody can be asked. */
  readonly ask?: (question: string) => Promise<string>
  say(text: string): void
}

export interface Initialised {
  readonly files: readonly string[]
  /** What to do next. */
  readonly next: string
}

/**
 * Asks, listens on a serial port, and writes a first pipeline, and an edge.yaml where there is a core elsewhere. Nothing is written over: throws
 * `config_invalid` where a file is there, before anything is asked of a device.
 */
export async function initialise(folder: string, answers: InitAnswers, dialogue: Dialogue): Promise<Initialised> {
  const question = (text: string, usual: string, wrong: (answer: string) => string | undefined, given?: string) =>
    answerTo({ text, usual, wrong, ...(given !== undefined && { given }) }, dialogue)
  const isName = (text: string) => (NAME_PATTERN.test(text) ? undefined : `It ${NAME_RULE}.`)
  const gateway = await question('Name of this gateway', gatewayName(hostname()), isName, answers.gateway)
  const core = await question(
    'Address of the core, such as amqps://core.example:5671; none: everything on this machine',
    NONE,
    text => (text === NONE ? undefined : wrongUrl(text)),
    answers.core,
  )
  if (core === NONE && (answers.hardware ?? NONE) !== NONE)
    throw new HeadraceError(
      'config_invalid',
      `--hardware ${answers.hardware} goes into edge.yaml, which is written with --core alone`,
      {
        advice: 'Name the core, or leave it out: `headrace up` knows no hardware.',
      },
    )
  const hardware =
    core === NONE
      ? NONE
      : await question(
          `What it is: ${gatewayNames().join(', ')}, or none of them`,
          NONE,
          text => (text === NONE || gatewayNames().includes(text) ? undefined : `Known are ${gatewayNames().join(', ')}.`),
          answers.hardware,
        )
  const pipeline = await question('Name of the first pipeline', 'first', isName, answers.pipeline)
  const pipelineFile = join(folder, 'pipelines', `${pipeline}.yaml`)
  const edgeFile = join(folder, 'edge.yaml')
  const files = core === NONE ? [pipelineFile] : [pipelineFile, edgeFile]
  refuseToWriteOver(files)
  const sources = await sourcesOf(answers, dialogue)
  write(pipelineFile, `${head(sources.comment)}pipeline: ${pipeline}\nsources:\n${sources.yaml}\n`)
  if (core !== NONE) write(edgeFile, edgeYaml({ gateway, core, hardware, pipeline }))
  for (const file of files) loadAny(file)
  const next = core === NONE ? `headrace up ${pipelineFile} --gateway ${gateway}` : `headrace edge --config ${edgeFile}`
  return { files, next }
}

/** What is wrong with an address of a core, before it is in a file: it may have a password in it. */
function wrongUrl(text: string): string | undefined {
  const { error } = amqpUrl.safeParse(text)
  // What is wrong, without what to write, which is more here.
  return error && `It ${error.issues[0]?.message.split(':')[0]}. Write amqp://host:port, amqps://host:port, or none.`
}

async function answerTo(
  asked: { text: string; usual: string; wrong: (answer: string) => string | undefined; given?: string },
  { ask, say }: Dialogue,
): Promise<string> {
  const { text, usual, wrong, given } = asked
  if (given !== undefined || !ask) {
    const answer = given ?? usual
    const why = wrong(answer)
    if (why !== undefined) throw new HeadraceError('config_invalid', `"${answer}": ${text}`, { advice: why })
    return answer
  }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const answer = (await ask(`${text} [${usual}]: `)).trim() || usual
    const why = wrong(answer)
    if (why === undefined) return answer
    say(why)
  }
  throw new HeadraceError('config_invalid', `no answer that can be used to: ${text}`, {
    advice: 'Give it on the command line: headrace init --help.',
  })
}

function refuseToWriteOver(files: readonly string[]): void {
  const there = files.find(file => existsSync(file))
  if (there === undefined) return
  throw new HeadraceError('config_invalid', `${there} is there already, and is not written over`, {
    advice: 'Name another folder or another pipeline, or move the file away.',
  })
}

interface Sources {
  readonly comment: string
  /** Indented by two. */
  readonly yaml: string
}

/** What a port says, as YAML; a generator in its place where there is no port, or nothing was heard. */
async function sourcesOf(answers: InitAnswers, dialogue: Dialogue): Promise<Sources> {
  const port = await chosenPort(answers, dialogue)
  if (port === NONE) return demonstration('No serial port was chosen.')
  const { ask, say } = dialogue
  say(`Listening on ${port} with one line setting after another …`)
  const probe = (mayAsk: boolean) =>
    probePort({
      path: port,
      listenMs: answers.listenMs,
      mayAsk,
      onAttempt: ({ baud, data_bits, parity }, heard) => say(`  ${baud} ${data_bits} ${parity}: ${heard} bytes`),
    })
  const standIn = (why: string) => {
    say(`${why} A generator stands in.`)
    return demonstration(why)
  }
  try {
    let found = await probe(answers.mayAsk === true)
    if (!found && ask && !answers.mayAsk) {
      const isWanted = /^y(es)?$/i.test((await ask('Nothing was heard. May it be asked (Modbus, Q1, SI)? y or n [n]: ')).trim())
      if (isWanted) found = await probe(true)
    }
    if (!found) return standIn(`Nothing that makes sense was heard on ${port}.`)
    const [comment = '', ...rest] = yamlOf(port, found).split('\n')
    // Behind its own `pipeline:` and `sources:`.
    return { comment: comment.replace(/^# /, ''), yaml: rest.slice(2).join('\n') }
  } catch (error) {
    return standIn(`${port} could not be listened to: ${messageOf(error).replace(/^Error: /, '')}.`)
  }
}

async function chosenPort({ port }: InitAnswers, dialogue: Dialogue): Promise<string> {
  // What is given may be a port that is plugged in later.
  if (port !== undefined || !dialogue.ask) return port ?? NONE
  const ports = listSerialPorts()
  for (const [index, { stable, driver, usb }] of ports.entries())
    dialogue.say(`  ${index + 1}  ${stable}  ${usb?.name ?? driver ?? 'built in'}`)
  const pathOf = (answer: string) => ports[Number(answer) - 1]?.stable ?? answer
  const answer = await answerTo(
    {
      text: `Serial port to listen on: ${ports.length > 0 ? 'a number, ' : ''}a path, or none`,
      usual: NONE,
      wrong: text =>
        text === NONE || existsSync(pathOf(text))
          ? undefined
          : `There is no ${text} here. \`headrace devices\` lists the ports of this machine.`,
    },
    dialogue,
  )
  return pathOf(answer)
}

function demonstration(why: string): Sources {
  return {
    comment: `${why} A generator stands in: put what you read in its place (headrace devices, docs/reference.md).`,
    yaml: '  demonstration:\n    generator: { records_per_second: 1 }',
  }
}

function head(comment: string): string {
  return `# Written by headrace init. Check it with: headrace validate\n# ${comment}\n`
}

function edgeYaml({ gateway, core, hardware, pipeline }: Record<'gateway' | 'core' | 'hardware' | 'pipeline', string>): string {
  const tls = core.startsWith('amqps:') ? '  # tls: { cert: gateway.pem, key: gateway.key, ca: core-ca.pem }\n' : ''
  return [
    '# Written by headrace init. All that can be said here: docs/reference.md',
    `gateway: ${gateway}`,
    'state: state',
    ...(hardware === NONE ? [] : [`hardware: ${hardware}`]),
    `uplink:\n  url: ${core}\n${tls}pipelines: ["pipelines/${pipeline}.yaml"]`,
    '',
  ].join('\n')
}

function write(file: string, text: string): void {
  makeFolder(dirname(file))
  writeFileSync(file, text, { flag: 'wx', mode: 0o640 })
}
