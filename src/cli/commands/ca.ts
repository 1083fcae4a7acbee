import { Command } from 'commander'
import { HeadraceError } from '../../runtime/errors.ts'
import { NAME_PATTERN, NAME_RULE } from '../../runtime/names.ts'
import { parseDurationMs } from '../../runtime/units.ts'
import { print, printJson, table } from '../output.ts'

/** How long a token is good unless said otherwise. */
const TOKEN_GOOD_FOR = '1h'
/** Whoever finds a token later should not have found anything, ms. */
const TOKEN_GOOD_FOR_MAX_MS = 30 * 86_400_000

export interface CaWhere {
  readonly config?: string
  readonly folder?: string
  readonly json?: true
}

const DEFAULT_NAME = 'Headrace'

export function caCommand(): Command {
  const command = new Command('ca')
    .description('The authority of a plant: makes it, lets gateways enrol, sends them away.')
    .addHelpText(
      'after',
      '\nExample:\n  headrace ca init --config core.yaml --host core.example\n  headrace ca token --config core.yaml --gateway plant-a-1\nand on the gateway:\n  headrace enroll --config edge.yaml --token hr1.…',
    )
  const where = (sub: Command) =>
    sub
      .option('--config <file>', 'core.yaml')
      .option('--folder <directory>', 'the folder of the authority, where there is no core.yaml')
      .option('--json', 'for programs')
  command.addCommand(
    where(new Command('init').description('Makes root key, issuing key, and the certificate of the core.'))
      .requiredOption('--host <name...>', 'names and addresses under which gateways call the core')
      .option('--name <name>', 'what the authority is called in its certificates', DEFAULT_NAME)
      .option('--issuer-cert <file>', 'an authority that is there: its certificate and those above it, the root last, PEM')
      .option('--issuer-key <file>', 'the key that belongs to it, PEM (PKCS #8)')
      .action(async (options: CaWhere & { host: string[]; name: string; issuerCert?: string; issuerKey?: string }) => {
        const { initAuthority } = await import('../ca.ts')
        const done = await initAuthority(options)
        if (options.json) return printJson(done)
        print(`The authority is in ${done.folder}; its root has the fingerprint ${done.root}.`)
        if (done.root_key) {
          print(
            `Its root key is needed again only by \`ca renew\`, in some years: move ${done.root_key} to where no network leads, and keep a copy.`,
          )
        }
      }),
  )
  command.addCommand(
    where(new Command('token').description('Prints a token with which one gateway can enrol, once.'))
      .requiredOption('--gateway <name>', 'whose it is')
      .option('--for <duration>', 'how long it is good', TOKEN_GOOD_FOR)
      .option('--url <amqps://host:port...>', 'where the gateway reaches the core, so that it needs not be told')
      .action(async (options: CaWhere & { gateway: string; for: string; url?: string[] }) => {
        const { newToken } = await import('../ca.ts')
        const made = await newToken(options, gatewayName(options.gateway), goodFor(options.for), options.url ?? [])
        if (options.json) printJson(made)
        else {
          print(made.token)
          if (made.others === 'later') process.stderr.write(`${othersText('later')}\n`)
        }
      }),
  )
  command.addCommand(
    where(new Command('list').description('Lists the certificates that were issued, and which of them may come in.')).action(
      async (options: CaWhere) => {
        const { listCertificates } = await import('../ca.ts')
        const rows = listCertificates(options)
        if (options.json) return printJson(rows)
        const cells = rows.map(({ gateway, state, issued, ends, fingerprint }) => [gateway, state, issued, ends, fingerprint])
        print(table(['gateway', 'state', 'issued', 'ends', 'fingerprint'], cells))
      },
    ),
  )
  for (const [verb, state, summary] of [
    [
      'revoke',
      'revoked',
      'Sends a gateway away: its certificates and tokens are good for nothing from here on, and open links are closed.',
    ],
    ['allow', 'allowed', 'Lets a gateway in again that was revoked, with the certificates that it has.'],
  ] as const) {
    command.addCommand(
      where(new Command(verb).description(summary).argument('<gateway>', 'its name')).action(
        async (gateway: string, options: CaWhere) => {
          const { setState } = await import('../ca.ts')
          const done = await setState(options, gatewayName(gateway), state)
          if (options.json) printJson(done)
          else {
            const tokens = done.tokens > 0 ? `, ${done.tokens} token(s) good for nothing` : ''
            print(
              `${gateway}: ${done.changed} certificate(s) ${state}${tokens}${done.told ? '; the running core knows it' : ''}.`,
            )
            if (done.others !== 'alone') print(othersText(done.others))
          }
        },
      ),
    )
  }
  command.addCommand(
    where(new Command('server').description('Makes the certificate of the core anew, or one for a router or broker.'))
      .requiredOption('--host <name...>', 'names and addresses under which it is called')
      .option('--out <prefix>', 'writes <prefix>.crt and <prefix>.key, for a router or broker, in the place of those of the core')
      .action(async (options: CaWhere & { host: string[]; out?: string }) => {
        const { newServer } = await import('../ca.ts')
        const files = await newServer(options, options.host, options.out)
        if (options.json) printJson(files)
        else print(`Written: ${files.cert}, ${files.key}.`)
      }),
  )
  command.addCommand(
    where(
      new Command('core').description('Makes the folder with which another core of the plant signs and judges as this one does.'),
    )
      .requiredOption('--host <name...>', 'names and addresses under which gateways call that core')
      .requiredOption('--out <directory>', 'is made; put it into the state directory of that core, as `ca`')
      .action(async (options: CaWhere & { host: string[]; out: string }) => {
        const { newMember } = await import('../ca.ts')
        const done = await newMember(options, options.host, options.out)
        if (options.json) return printJson(done)
        print(`Written: ${done.folder}. It holds the issuing key: move it to the other core, and leave no copy on the way.`)
        print('Cores at one Kafka share who was enrolled and who was sent away.')
      }),
  )
  command.addCommand(
    where(new Command('renew').description('Makes a new issuing key, signed by the root, for the one that ends.'))
      .requiredOption('--root-key <file>', 'the root key, from where it is kept')
      .action(async (options: CaWhere & { rootKey: string }) => {
        const { renewIssuing } = await import('../ca.ts')
        const done = await renewIssuing(options, options.rootKey)
        if (options.json) printJson(done)
        else print(`The issuing key is new; take the root key away again, and restart the core.`)
      }),
  )
  return command
}

function othersText(others: 'told' | 'later'): string {
  return others === 'told'
    ? 'The other cores at this log know it too.'
    : 'The other cores do not know it yet: they hear of it as soon as this core runs and reaches the log.'
}

function gatewayName(text: string): string {
  if (NAME_PATTERN.test(text)) return text
  throw new HeadraceError('config_invalid', `"${text}" ${NAME_RULE}`)
}

function goodFor(text: string): number {
  const ms = parseDurationMs(text)
  if (ms !== undefined && ms > 0 && ms <= TOKEN_GOOD_FOR_MAX_MS) return ms
  throw new HeadraceError('config_invalid', `--for ${text}: has to be a time up to 30d, such as 1h`)
}
