import { Command, Option } from 'commander'
import { fuzz } from '../test/fuzz/harness/fuzz.ts'
import { TARGET_FILES, targetsOf } from '../test/fuzz/target-files.ts'
import { duration, readArguments, wholeNumber } from './arguments.ts'

/*
  npm run fuzz -- --for 10m [--seed N] [--target TEXT]
  Feeds every target for its share of the time, each from the seed that is printed. Exit code 1 where something was found.
*/

const {
  for: forMs,
  target: wanted = '',
  seed = Math.floor(Math.random() * 2 ** 31),
} = readArguments<{ for: number; seed?: number; target?: string }>(
  new Command('npm run fuzz --')
    .description('Feeds every parser what nobody would send.')
    .addOption(new Option('--for <duration>', 'how long, over all targets').argParser(duration()).default(600_000, '10m'))
    .option('--seed <number>', 'that of an earlier run, to repeat it', wholeNumber(0))
    .option('--target <text>', 'those alone that have this in their name'),
)

const all = (
  await Promise.all(TARGET_FILES.map(async file => (await targetsOf(file)).map(({ name }) => ({ file, name }))))
).flat()
const chosen = all.filter(({ name }) => name.includes(wanted))
if (chosen.length === 0) {
  process.stderr.write(`no target has "${wanted}" in its name; there are:\n${all.map(({ name }) => `  ${name}`).join('\n')}\n`)
  process.exit(2)
}
const eachMs = forMs / chosen.length
console.log(`seed ${seed}, ${chosen.length} targets, ${Math.round(eachMs / 1_000)} s each`)

for (const { file, name } of chosen) {
  const found = await fuzz({ file, name, seed, runs: Number.MAX_SAFE_INTEGER, limitMs: eachMs })
  console.log(`${found.kind === 'nothing' ? 'ok   ' : 'FOUND'} ${name}: ${found.inputs} inputs`)
  if (found.kind === 'nothing') continue
  console.log(`${found.kind}: ${found.what}\nreplay: npm run fuzz -- --seed ${seed} --target ${JSON.stringify(name)}`)
  process.exitCode = 1
}
process.exit()
