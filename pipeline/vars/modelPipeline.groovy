// modelPipeline(): one model from a commit to production. Knows the order of the stages, what each may see of the credentials and what happens when one fails;
// what a stage does is a step of the program `mlops-pipeline`, which runs on a laptop just as well. Described in docs/pipeline-library.md.
import groovy.json.JsonSlurperClassic
import groovy.transform.Field
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

@Field final Map MINUTES = [checkout: 10, environment: 30, lint: 10, unit: 30, integration: 60, data: 30, validation: 240, extra: 60,
                            'package': 15, publish: 30, deploy: 60, gate: 60, approval: 1440, report: 5]
@Field final List SETTINGS = ['agent', 'approval', 'data', 'extra', 'integration', 'lint', 'timeouts']
@Field final Map LOGINS = [monitoring: 'MLOPS_MONITORING', 'store-reader': 'MLOPS_STORE_READER']
@Field final String KEPT = 'build/*.json,build/*.jsonl,build/reports/**'

def call(Map config = [:]) {
    Map run = [agent: 'mlops', minutes: MINUTES, trigger: trigger(), told: false, stashed: false, waiting: false, early: false]
    // Jenkins sets BRANCH_IS_PRIMARY on the default branch; a job without branches is the one that trains anew.
    // Of the tags only v1.2 and the like are versions.
    run.releases = !env.CHANGE_ID && (env.TAG_NAME ? env.TAG_NAME ==~ /v\d.*/ : (!env.BRANCH_NAME || env.BRANCH_IS_PRIMARY == 'true'))
    timestamps {
        try {
            check(config)
            run.agent = config.agent ?: run.agent
            run.minutes = MINUTES + (config.timeouts ?: [:])
            env.MLOPS_TRIGGER = run.trigger
            // Job `retrain` has its own properties from onboarding. What can never be released makes room for the next push.
            if (env.BRANCH_NAME) {
                properties([disableConcurrentBuilds(abortPrevious: !run.releases)])
            }
            onAgent(run, !run.releases) {
                prepare(run)
                if (!run.early) {
                    checks(run, config)
                    if (run.releases) {
                        release(run, config)
                    }
                }
            }
            if (run.releases && !run.early) {
                approve(run)
                onAgent(run, true) {
                    unpack()
                    if (run.waiting) {
                        run.waiting = false
                        tell(run, 'report success --stage Approval')
                    }
                    deploy(run, run.environments.last())
                }
            }
        } catch (Exception failure) {
            // Refused, or there was no agent left to say it on.
            if (!run.told) {
                attempt('the end of this build was not reported') {
                    timeout(time: run.minutes.report * 2, unit: 'MINUTES') {
                        withAgent(run) {
                            if (run.stashed) {
                                unpack()
                            }
                            report(run, failure)
                        }
                    }
                }
            }
            throw failure
        }
    }
}

// --- what runs where ------------------------------------------------------------------------------------------------------------------------

def withAgent(Map run, Closure body) {
    node(run.agent) {
        withCredentials([file(credentialsId: 'model-policy', variable: 'MLOPS_POLICY')]) {
            body()
        }
    }
}

/** Runs the body on an agent, on another one if this one is lost; reports there when the body failed or was the last one. */
def onAgent(Map run, boolean last, Closure body) {
    retry(count: 2, conditions: [agent(), nonresumable()]) {
        withAgent(run) {
            run.told = false
            def failure = null
            try {
                body()
            } catch (Exception e) {
                failure = e
            }
            if (failure != null) {
                // Reporting throws only if somebody stops it: a lost agent stays the reason, or nothing would be tried again.
                report(run, failure)
                throw failure
            }
            if (last) {
                report(run, null)
            }
        }
    }
}

def prepare(Map run) {
    stage('Checkout') {
        limited('Checkout', run.minutes.checkout) {
            env.GIT_COMMIT = checkout(scm)?.GIT_COMMIT
            sh 'rm -rf build'
        }
        Map policy = new JsonSlurperClassic().parseText(readFile(env.MLOPS_POLICY))
        run.model = word('model', policy.model)
        List names = policy.environments ?: ['staging', 'production']
        run.environments = []
        // Loops count: a pipeline is written to disk at every step, and not every Jenkins can write an iterator.
        for (int i = 0; i < names.size(); i++) {
            run.environments << word('environments', names[i])
        }
        run.approval = policy.approval
        run.gate = (policy.gate?.minutes ?: 0) as int
        // What onboarding made: a site without a login for monitoring, or without a vault, has none to bind.
        run.credentials = policy.credentials ?: []
        run.early = run.trigger == 'feedback' && early((policy.retrain?.at_most_every ?: 0) as long)
        if (!run.early) {
            tell(run, 'report running')
            if (run.trigger == 'feedback') {
                allowed(run, ['monitoring']) { mlops 'reason' }
            }
        }
    }
    if (!run.early) {
        part(run, 'Environment', 'environment') { mlops 'environment' }
    }
}

/** Alertmanager waits between two calls only while the same alert goes on: a new one, or a second Alertmanager, calls at once. */
boolean early(long seconds) {
    // Builds that came too early themselves are not among the built ones.
    def previous = currentBuild.previousBuiltBuild
    if (previous == null) {
        return false
    }
    long ago = currentBuild.startTimeInMillis - previous.startTimeInMillis
    if (ago >= seconds * 1000L) {
        return false
    }
    currentBuild.result = 'NOT_BUILT'
    echo "too early: the last training began ${ago.intdiv(1000)} seconds ago, the site wants at least ${seconds} seconds between two"
    return true
}

def checks(Map run, Map config) {
    Map branches = [:]
    if (config.lint != false) {
        branches['Lint'] = { part(run, 'Lint', 'lint') { mlops 'lint' } }
    }
    branches['Unit tests'] = { part(run, 'Unit tests', 'unit') { mlops 'unit' } }
    if (config.integration != false) {
        branches['Integration tests'] = { part(run, 'Integration tests', 'integration') { mlops 'integration' } }
    }
    if (config.data != false) {
        branches['Data checks'] = { part(run, 'Data checks', 'data') { mlops 'data' } }
    }
    branches['Model validation'] = {
        part(run, 'Model validation', 'validation') {
            mlops 'train'
            allowed(run, ['monitoring', 'store-reader']) { mlops 'validate' }
        }
    }
    stage('Checks') {
        try {
            parallel(branches)
        } finally {
            attempt('no test results') { junit(testResults: 'build/reports/*.xml', allowEmptyResults: true) }
            attempt('no validation report') {
                publishHTML([reportDir: 'build/reports', reportFiles: 'validation.html', reportName: 'Model validation', allowMissing: true, keepAll: true,
                             alwaysLinkToLastBuild: true])
            }
        }
    }
    if (config.extra) {
        part(run, 'Extra', 'extra') { config.extra.call() }
    }
}

def release(Map run, Map config) {
    part(run, 'Package', 'package') { mlops 'package' }
    part(run, 'Publish', 'publish') {
        withCredentials([usernamePassword(credentialsId: 'store-publisher', usernameVariable: 'MLOPS_STORE_USERNAME', passwordVariable: 'MLOPS_STORE_PASSWORD'),
                         file(credentialsId: 'signing-key', variable: 'MLOPS_SIGNING_KEY')]) {
            mlops 'publish'
        }
    }
    for (int i = 0; i < run.environments.size() - 1; i++) {
        deploy(run, run.environments[i])
    }
    if (run.environments.size() > 1) {
        part(run, 'Gate', 'gate', run.gate) {
            allowed(run, ['monitoring']) { mlops 'gate' }
        }
    }
    // The agent is given back while people decide: what the rest needs is kept by Jenkins.
    stash(name: 'release', includes: "pyproject.toml,${KEPT}")
    run.stashed = true
    // A project can ask for an approval that the site does not want, not the other way round.
    if ('production' in [run.approval, config.approval]) {
        run.waiting = true
        tell(run, 'report running --stage Approval')
    }
}

def unpack() {
    sh 'rm -rf build'
    unstash 'release'
}

def approve(Map run) {
    if (run.waiting) {
        stage('Approval') {
            timeout(time: run.minutes.approval, unit: 'MINUTES') {
                input(message: "Deploy ${run.model} to ${run.environments.last()}?", ok: 'Deploy')
            }
        }
    }
}

def deploy(Map run, String environment) {
    lock(resource: "mlops-${run.model}-${environment}") {
        tell(run, "deployment ${environment} running")
        try {
            part(run, environment.capitalize(), 'deploy') {
                allowed(run, ['vault-password']) { mlops "deploy ${environment}" }
            }
        } catch (Exception e) {
            tell(run, "deployment ${environment} failed")
            throw e
        }
        tell(run, "deployment ${environment} success")
    }
}

def report(Map run, Exception failure) {
    stage('Report') {
        String state = failure == null ? 'success' : outcome(failure)
        attempt('no summary') { mlops 'summary' }
        attempt('nothing archived') { archiveArtifacts(artifacts: KEPT, allowEmptyArchive: true) }
        if (run.waiting) {
            tell(run, "report ${state} --stage Approval")
        }
        if (!run.releases) {
            tell(run, "comment --state ${state}")
        }
        run.told = tell(run, "report ${state}")
        if (!run.told && failure == null) {
            unstable('the build went well, but GitLab could not be told')
            run.told = true
        }
    }
}

// --- small words ----------------------------------------------------------------------------------------------------------------------------

def mlops(String step) {
    sh "mlops-pipeline ${step}"
}

/** With those of the credentials that this site has. */
def allowed(Map run, List ids, Closure body) {
    List found = []
    for (int i = 0; i < ids.size(); i++) {
        if (ids[i] in run.credentials) {
            found << (ids[i] == 'vault-password' ? string(credentialsId: ids[i], variable: 'VAULT_PASSWORD')
                : usernamePassword(credentialsId: ids[i], usernameVariable: "${LOGINS[ids[i]]}_USERNAME", passwordVariable: "${LOGINS[ids[i]]}_PASSWORD"))
        }
    }
    withCredentials(found, body)
}

/** A stage that must end in time and whose end is told to GitLab. */
def part(Map run, String name, String key, int more = 0, Closure body) {
    stage(name) {
        try {
            limited(name, run.minutes[key] + more, body)
        } catch (Exception e) {
            tell(run, "report ${outcome(e)} --stage '${name}'")
            throw e
        }
        tell(run, "report success --stage '${name}'")
    }
}

/** Too late is a failure with a reason; Jenkins alone would call it aborted, as if somebody had wanted it. */
def limited(String name, int minutes, Closure body) {
    try {
        timeout(time: minutes, unit: 'MINUTES') { body() }
    } catch (FlowInterruptedException e) {
        for (int i = 0; i < e.causes.size(); i++) {
            if (e.causes[i].class.simpleName == 'ExceededTimeout') {
                error "${name} did not end within ${minutes} minutes"
            }
        }
        throw e
    }
}

/** Tells GitLab. That it cannot be told stops no build; that somebody stops the build does. */
boolean tell(Map run, String what) {
    return attempt("GitLab was not told: ${what}") {
        limited(what, run.minutes.report) {
            withCredentials([string(credentialsId: 'gitlab-api', variable: 'MLOPS_GITLAB_TOKEN')]) {
                mlops what
            }
        }
    }
}

boolean attempt(String otherwise, Closure body) {
    try {
        body()
        return true
    } catch (FlowInterruptedException e) {
        throw e
    } catch (Exception e) {
        echo "${otherwise}: ${e.message}"
        return false
    }
}

String outcome(Exception e) {
    return e instanceof FlowInterruptedException ? 'canceled' : 'failed'
}

String trigger() {
    if (env.CHANGE_ID) {
        return 'merge request'
    }
    if (env.TAG_NAME) {
        return 'tag'
    }
    if (currentBuild.getBuildCauses('hudson.triggers.TimerTrigger$TimerTriggerCause')) {
        return 'schedule'
    }
    // A branch may have that name too.
    return env.JOB_BASE_NAME == 'retrain' && !env.BRANCH_NAME ? 'feedback' : 'push'
}

String word(String field, value) {
    if (!(value ==~ /[A-Za-z0-9][A-Za-z0-9_-]*/)) {
        error "policy: ${field} must be a name of letters, digits, - and _, not '${value}'"
    }
    return value
}

def check(Map config) {
    known('modelPipeline', config, SETTINGS)
    known('modelPipeline: timeouts', config.timeouts ?: [:], (MINUTES.keySet() as List).sort())
    List stages = (config.timeouts ?: [:]).keySet() as List
    for (int i = 0; i < stages.size(); i++) {
        def minutes = config.timeouts[stages[i]]
        if (!(minutes instanceof Integer) || minutes < 1) {
            error "modelPipeline: timeouts.${stages[i]} must be a whole number of minutes, at least 1, not '${minutes}'"
        }
    }
    List checks = ['lint', 'integration', 'data']
    for (int i = 0; i < checks.size(); i++) {
        if (!(config[checks[i]] in [null, true, false])) {
            error "modelPipeline: ${checks[i]} must be true or false, not '${config[checks[i]]}'"
        }
    }
    if (!(config.approval in [null, 'never', 'production'])) {
        error "modelPipeline: approval must be 'never' or 'production', not '${config.approval}'"
    }
    if (config.extra != null && !(config.extra instanceof Closure)) {
        error "modelPipeline: extra must be a closure with stages, not '${config.extra}'"
    }
}

def known(String where, Map given, List keys) {
    List names = given.keySet() as List
    for (int i = 0; i < names.size(); i++) {
        if (!(names[i] in keys)) {
            error "${where}: unknown key '${names[i]}'; known: ${keys.join(', ')}"
        }
    }
}
