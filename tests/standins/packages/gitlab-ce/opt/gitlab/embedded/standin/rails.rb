# Stand-in for GitLab's Rails: runs a script that uses User and PersonalAccessToken, of which it knows what stands here and nothing else; all other names
# are errors, as in GitLab. What is saved goes to rails.json, secrets as digests; the API stand-in reads it there.
# Usage: rails.rb FILE|-
require "digest"
require "json"
require "date"

STORE = "/var/opt/gitlab/standin/rails.json"
DATA = JSON.parse(File.read(STORE))
def digest(text) = Digest::SHA256.hexdigest(text)

def store!
  File.open("#{STORE}.new", "w", 0600) { |file| file.write(JSON.generate(DATA)) }
  File.rename("#{STORE}.new", STORE)
end

class Integer
  def days = Days.new(self)
end
Days = Struct.new(:count) do
  def from_now = Date.today + count
end

module ActiveRecord
  class RecordInvalid < StandardError
    attr_reader :record

    def initialize(record)
      @record = record
      super("Validation failed")
    end
  end
end
Errors = Struct.new(:full_messages)

class User
  attr_reader :errors, :username
  attr_writer :password, :password_confirmation

  def self.find_by_username(name) = DATA["users"].key?(name) ? new(name) : nil

  def initialize(name)
    @username, @row = name, DATA["users"][name]
  end

  def ==(other) = other.is_a?(User) && username == other.username
  def sign_in_count = @row["sign_in_count"]
  def valid_password?(text) = digest(text) == @row["password"]
  def personal_access_tokens = Tokens.new(self)

  def save!
    faults = []
    faults << "Password is too short (minimum is 8 characters)" if @password && @password.length < 8
    faults << "Password confirmation doesn't match Password" if @password != @password_confirmation
    faults << "Password must not contain commonly used combinations of words and letters" if @password.to_s.downcase.include?("password")
    @errors = Errors.new(faults)
    raise ActiveRecord::RecordInvalid, self unless faults.empty?

    @row["password"] = digest(@password) if @password
    store!
  end
end

Tokens = Struct.new(:user) do
  def build(name:, scopes:, expires_at:) = PersonalAccessToken.new(user, { "name" => name, "scopes" => scopes, "expires_at" => expires_at.to_s, "revoked" => false })
end

class PersonalAccessToken
  attr_reader :errors, :user

  def self.find_by_token(text)
    row = DATA["tokens"].find { |one| one["digest"] == digest(text) }
    row && new(User.find_by_username(row["user"]), row)
  end

  def initialize(user, row)
    @user, @row = user, row
  end

  def set_token(text) = @row["digest"] = digest(text)
  def active? = !@row["revoked"] && @row["expires_at"] > Date.today.to_s

  def save!
    faults = []
    faults << "Expiration date must be before #{Date.today + 365}" if @row["expires_at"] > (Date.today + 365).to_s
    faults << "Scopes can only contain available scopes" unless (@row["scopes"] - %w[api read_api sudo admin_mode read_user]).empty?
    @errors = Errors.new(faults)
    raise ActiveRecord::RecordInvalid, self unless faults.empty?

    DATA["tokens"] << @row.merge("user" => user.username, "id" => DATA["tokens"].length + 1)
    store!
  end
end

script = ARGV[0] == "-" ? $stdin.read : File.read(ARGV[0])
ARGV.clear
eval(script, TOPLEVEL_BINDING, "runner")
