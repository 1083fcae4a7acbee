/** Loaded before a program (`--import`): whoever reads what it says answers at once to its word that Ctrl-C ends it, with a signal. */
const { stdout } = process
const write = stdout.write.bind(stdout) as (chunk: unknown, ...rest: unknown[]) => boolean
stdout.write = ((chunk: unknown, ...rest: unknown[]) => {
  const isTaken = write(chunk, ...rest)
  if (String(chunk).includes('Ctrl-C')) process.kill(process.pid, 'SIGTERM')
  return isTaken
}) as typeof stdout.write
