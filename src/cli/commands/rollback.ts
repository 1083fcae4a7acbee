import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { HeadraceError } from '../../runtime/errors.ts'
import { EXIT } from '../output.ts'

/** Of the installed version's folder: `app/lib/headrace/*.js` lies three folders deep in it. */
const INSTALLER = ['../../../install.sh', '../../../RELEASE']

export function rollbackCommand(): Command {
  return new Command('rollback')
    .description('Goes back to the version that was installed before, and sees that records move as well as now.')
    .option('--dry-run', 'says what it would do, and does nothing')
    .addHelpText('after', '\nExample:\n  sudo headrace rollback')
    .action(({ dryRun }: { dryRun?: true }) => {
      const [installer = '', release = ''] = INSTALLER.map(path => fileURLToPath(new URL(path, import.meta.url)))
      if (!existsSync(installer) || !existsSync(release)) {
        throw new HeadraceError(
          'config_invalid',
          'this Headrace was not installed by install.sh, so that there is nothing to go back to',
          {
            advice: 'In a checkout, git goes back.',
          },
        )
      }
      const { status, error } = spawnSync('/bin/sh', [installer, '--rollback', ...(dryRun ? ['--dry-run'] : [])], {
        stdio: 'inherit',
      })
      if (error) throw error
      process.exitCode = status ?? EXIT.failed
    })
}
