# Stand-in for how GitLab reads gitlab.rb: runs the file, as GitLab does, and prints it as JSON. It fails at a section that gitlab.rb does not have, at a key
# that was removed by the version, and, stricter than GitLab, at a key that GitLab's own template does not name.
# Usage: config.rb KEYS.json VERSION GITLAB.RB [--removed-only]
require "json"
keys, version, path, only = ARGV
known = JSON.parse(File.read(keys))
wanted = Gem::Version.new(version)
names = known["keys"]
any_name = names.empty?
plain = known["scalars"] + ["roles", "external_url"]

class Section < Hash
  def initialize
    super { |hash, key| hash[key] = Section.new }
  end
end

config = Object.new
values = {}
known["top_level"].each { |name| config.define_singleton_method(name) { values[name] ||= Section.new } }
plain.each { |name| config.define_singleton_method(name) { |*given| given.empty? ? (values[name] ||= Section.new) : values[name] = given[0] } }
# Removed sections are still read, so that their removal can be told.
%w[git_data_dirs mattermost spamcheck].each do |name|
  config.define_singleton_method(name) { |*given| given.empty? ? (values[name] ||= Section.new) : values[name] = given[0] }
end
config.define_singleton_method(:method_missing) do |name, *given|
  next given.empty? ? (values[name] ||= Section.new) : values[name] = given[0] if any_name
  abort "FATAL: Mixlib::Config::UnknownConfigOptionError: unknown setting #{name} in #{path}"
end
config.instance_eval(File.read(path), path)

ends = (known["deprecated"] + [{ "path" => ["mattermost"], "removed" => "19.0" }]).map do |entry|
  [entry["path"].drop_while { |part| %w[gitlab monitoring].include?(part) }, entry["removed"]]
end
removed = ends.filter_map do |way, went|
  value = way.reduce(values) { |inside, part| inside.is_a?(Hash) && inside.key?(part) ? inside[part] : nil }
  "#{way.join('.')} was removed in #{went}" if wanted >= Gem::Version.new(went) && !value.nil? && value != {}
end
abort "Removed configurations found in gitlab.rb. Aborting reconfigure.\n#{removed.join("\n")}" unless removed.empty?
exit if only

names += ends.map { |way, _| ([way[0]] + way.drop(1).map { |part| "['#{part}']" }).join }
unknown = values.flat_map do |section, content|
  next [] if plain.include?(section) && !content.is_a?(Hash)
  content.keys.map { |key| "#{section}['#{key}']" }.reject { |name| names.any? { |one| one == name || one.start_with?("#{name}[") } }
end
abort "stand-in: GitLab's own template does not name #{unknown.join(', ')}" unless any_name || unknown.empty?
puts JSON.generate(values)
